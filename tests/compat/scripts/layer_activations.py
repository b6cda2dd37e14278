# Keras 2: activations of all layers by K.function, in training and out of it
import numpy as np
from keras import backend as K
from keras.layers import Conv2D, Dense, Dropout, Flatten
from keras.models import Sequential

model = Sequential()
model.add(Conv2D(3, (3, 3), activation="relu", input_shape=(8, 8, 1)))
model.add(Flatten())
model.add(Dropout(0.5))
model.add(Dense(2, activation="softmax"))
x = np.random.default_rng(0).random((4, 8, 8, 1))
functor = K.function([model.input, K.learning_phase()], [layer.output for layer in model.layers])
tested = functor([x, 0])
trained = functor([x, 1])
assert [a.shape for a in tested] == [(4, 6, 6, 3), (4, 108), (4, 108), (4, 2)]
assert (tested[1] == tested[2]).all() and (trained[1] != trained[2]).any()
np.testing.assert_allclose(tested[-1], model.predict(x), atol=1e-6)
