# Keras 2, 3: sums of numbers, character by character, through an encoder and a decoder
import numpy as np
from keras.layers import LSTM, Dense, RepeatVector, TimeDistributed
from keras.models import Sequential


class CharacterTable:
    def __init__(self, chars):
        self.chars = sorted(set(chars))
        self.char_indices = {c: i for i, c in enumerate(self.chars)}
        self.indices_char = dict(enumerate(self.chars))

    def encode(self, C, num_rows):
        x = np.zeros((num_rows, len(self.chars)))
        for i, c in enumerate(C):
            x[i, self.char_indices[c]] = 1
        return x

    def decode(self, x, calc_argmax=True):
        if calc_argmax:
            x = x.argmax(axis=-1)
        return "".join(self.indices_char[i] for i in x)


chars = "0123456789+ "
ctable = CharacterTable(chars)
rng = np.random.default_rng(0)
pairs = rng.integers(0, 100, (60, 2))
questions = [f"{a}+{b}".ljust(5)[::-1] for a, b in pairs]
answers = [str(a + b).ljust(3) for a, b in pairs]
x = np.array([ctable.encode(q, 5) for q in questions], dtype=bool)
y = np.array([ctable.encode(a, 3) for a in answers], dtype=bool)
model = Sequential()
model.add(LSTM(16, input_shape=(5, len(chars))))
model.add(RepeatVector(3))
for _ in range(1):
    model.add(LSTM(16, return_sequences=True))
model.add(TimeDistributed(Dense(len(chars), activation="softmax")))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
for _ in range(2):
    history = model.fit(x, y, batch_size=20, epochs=1, validation_data=(x, y), verbose=0)
    for i in range(3):
        rowx = x[np.array([i])]
        guess = ctable.decode(np.argmax(model.predict(rowx, verbose=0), axis=-1)[0], False)
        assert len(guess) == 3
