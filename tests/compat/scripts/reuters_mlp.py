# Keras 2, 3: topics of texts through a Tokenizer's matrix or one-hot vectors
import keras
import numpy as np
from keras.layers import Activation, Dense, Dropout
from keras.models import Sequential

rng = np.random.default_rng(0)
num_classes, max_words = 6, 40
x_train = np.zeros((60, max_words))
labels = rng.integers(0, num_classes, 60)
for row, label in zip(x_train, labels):
    row[rng.integers(0, max_words, 8)] = 1
    row[label] = 1
y_train = keras.utils.to_categorical(labels, num_classes)
model = Sequential()
model.add(Dense(64, input_shape=(max_words,)))
model.add(Activation("relu"))
model.add(Dropout(0.5))
model.add(Dense(num_classes))
model.add(Activation("softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=3, verbose=0, validation_split=0.1)
sparse = keras.models.clone_model(model)
sparse.set_weights(model.get_weights())
sparse.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
one = model.evaluate(x_train, y_train, verbose=0)
two = sparse.evaluate(x_train, labels, verbose=0)
np.testing.assert_allclose(one, two, rtol=1e-4)
