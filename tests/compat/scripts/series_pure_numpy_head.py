# Keras 2: K.variable, K.eval and a Lambda with an output shape, beside NumPy
import numpy as np
from keras import backend as K
from keras.layers import Activation, Dense, Lambda
from keras.models import Sequential


def antirectifier(x):
    x -= K.mean(x, axis=1, keepdims=True)
    x = K.l2_normalize(x, axis=1)
    pos = K.relu(x)
    neg = K.relu(-x)
    return K.concatenate([pos, neg], axis=1)


def antirectifier_output_shape(input_shape):
    shape = list(input_shape)
    shape[-1] *= 2
    return tuple(shape)


v = K.variable(np.ones((2, 2)))
assert (K.eval(v * 2) == 2).all() and K.int_shape(v) == (2, 2)
np.random.seed(1337)
model = Sequential()
model.add(Dense(6, input_shape=(5,)))
model.add(Lambda(antirectifier, output_shape=antirectifier_output_shape))
model.add(Dense(3))
model.add(Activation(lambda x: K.softmax(x * 2)))
model.compile(
    loss=lambda t, p: K.mean(K.categorical_crossentropy(t, p)),
    optimizer="rmsprop",
    metrics=["accuracy"],
)
x = np.random.rand(20, 5)
history = model.fit(x, np.eye(3)[np.arange(20) % 3], batch_size=5, epochs=2, verbose=0)
assert model.layers[1].output_shape == (None, 12)
assert model.input_shape == (None, 5) and model.output_shape == (None, 3)
