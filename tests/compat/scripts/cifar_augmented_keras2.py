# Keras 2: small images, augmented by ImageDataGenerator
import keras
import numpy as np
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.preprocessing.image import ImageDataGenerator

x = np.random.rand(20, 32, 32, 3).astype("f")
y = keras.utils.to_categorical(np.random.randint(0, 10, 20), 10)
g = ImageDataGenerator(
    rotation_range=10, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
)
g.fit(x)
m = Sequential(
    [
        Conv2D(4, (3, 3), padding="same", input_shape=x.shape[1:], activation="relu"),
        MaxPooling2D(),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
)
opt = keras.optimizers.RMSprop(lr=0.0001, decay=1e-6)
m.compile(loss="categorical_crossentropy", optimizer=opt, metrics=["accuracy"])
h = m.fit_generator(
    g.flow(x, y, batch_size=8),
    epochs=1,
    steps_per_epoch=2,
    validation_data=(x, y),
    workers=4,
    verbose=0,
)
h.history["acc"] if "acc" in h.history else h.history["accuracy"]
