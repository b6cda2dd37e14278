# Keras 2: imports of keras beside tensorflow.keras
import numpy as np
from keras.layers.core import Dense
from keras.models import Sequential
from tensorflow.keras.optimizers import Adam

m = Sequential([Dense(1, input_shape=(3,))])
m.compile(Adam(learning_rate=0.01), "mse")
m.fit(np.ones((4, 3)), np.ones(4), verbose=0)
assert m.__module__.startswith("pyseq")
