# Keras 2, 3: an embedding of given weights that are held
import numpy as np
from keras.layers import Dense, Embedding, Flatten
from keras.models import Sequential

E = np.random.rand(50, 10)
m = Sequential()
m.add(Embedding(50, 10, weights=[E], input_length=4, trainable=False))
m.add(Flatten())
m.add(Dense(1, activation="sigmoid"))
m.compile("adam", "binary_crossentropy", metrics=["acc"])
m.fit(np.random.randint(0, 50, (8, 4)), np.random.randint(0, 2, 8), verbose=0)
assert np.allclose(m.layers[0].get_weights()[0], E)
