# Keras 2, 3: pixels one by one through a recurrent layer started from the identity
import numpy as np
from keras import initializers
from keras.layers import Activation, Dense, SimpleRNN
from keras.models import Sequential
from keras.optimizers import RMSprop

x = np.random.default_rng(0).random((30, 36, 1)).astype("float32")
y = np.eye(10)[np.arange(30) % 10]
model = Sequential()
model.add(
    SimpleRNN(
        12,
        kernel_initializer=initializers.RandomNormal(stddev=0.001),
        recurrent_initializer=initializers.Identity(gain=1.0),
        activation="relu",
        input_shape=x.shape[1:],
    )
)
model.add(Dense(10))
model.add(Activation("softmax"))
model.compile(
    loss="categorical_crossentropy",
    optimizer=RMSprop(learning_rate=1e-4, clipnorm=1.0),
    metrics=["accuracy"],
)
recurrent = model.get_weights()[1]
np.testing.assert_array_equal(recurrent, np.eye(12))
history = model.fit(x, y, batch_size=10, epochs=2, verbose=0, validation_data=(x, y))
