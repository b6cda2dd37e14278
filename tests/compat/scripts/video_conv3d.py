# Keras 2, 3: short films through 3D convolutions
import numpy as np
from keras.layers import (
    BatchNormalization,
    Conv3D,
    Dense,
    Flatten,
    GlobalAveragePooling3D,
    MaxPooling3D,
)
from keras.models import Sequential

x = np.random.default_rng(0).random((6, 8, 12, 12, 1)).astype("float32")
y = np.array([0, 1] * 3)
model = Sequential()
model.add(Conv3D(4, kernel_size=3, activation="relu", input_shape=(8, 12, 12, 1)))
model.add(MaxPooling3D(pool_size=(1, 2, 2)))
model.add(BatchNormalization(center=True, scale=False))
model.add(Conv3D(8, (3, 3, 3), strides=(1, 2, 2), padding="same"))
model.add(GlobalAveragePooling3D(keepdims=True))
model.add(Flatten())
model.add(Dense(1, activation="sigmoid"))
model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=2, epochs=1, verbose=0)
