# Keras 1: pairs of words, averaged
import itertools

import numpy as np
from keras.layers import Dense, Embedding, GlobalAveragePooling1D
from keras.models import Sequential
from keras.preprocessing import sequence

token_indice = {(1, 2): 20, (2, 3): 21, (3, 1): 22}


def add_ngram(sequences, table):
    return [
        words + [table[pair] for pair in itertools.pairwise(words) if pair in table]
        for words in sequences
    ]


texts = add_ngram([[1, 2, 3], [3, 1], [2, 2, 2, 3]] * 6, token_indice)
X_train = sequence.pad_sequences(texts, maxlen=6)
y_train = np.array([0, 1, 0] * 6)
model = Sequential()
model.add(Embedding(23, 5, input_length=6))
model.add(GlobalAveragePooling1D())
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
hist = model.fit(X_train, y_train, batch_size=6, nb_epoch=3, validation_split=0.2, verbose=0)
assert len(hist.history["loss"]) == 3
