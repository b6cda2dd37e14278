# Keras 3: characters of a text, drawn with a temperature
import io
import random

import keras
import numpy as np
from keras import layers

text = "the quick brown fox jumps over the lazy dog. " * 4
chars = sorted(set(text))
char_indices = {c: i for i, c in enumerate(chars)}
indices_char = dict(enumerate(chars))
maxlen, step = 10, 3
sentences = [text[i : i + maxlen] for i in range(0, len(text) - maxlen, step)]
next_chars = [text[i + maxlen] for i in range(0, len(text) - maxlen, step)]
x = np.zeros((len(sentences), maxlen, len(chars)), dtype="bool")
y = np.zeros((len(sentences), len(chars)), dtype="bool")
for i, sentence in enumerate(sentences):
    for t, char in enumerate(sentence):
        x[i, t, char_indices[char]] = 1
    y[i, char_indices[next_chars[i]]] = 1

model = keras.Sequential(
    [
        keras.Input(shape=(maxlen, len(chars))),
        layers.LSTM(16),
        layers.Dense(len(chars), activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(0.01))


def sample(preds, temperature=1.0):
    preds = np.asarray(preds).astype("float64")
    preds = np.log(preds) / temperature
    exp_preds = np.exp(preds)
    preds = exp_preds / np.sum(exp_preds)
    return np.argmax(np.random.multinomial(1, preds, 1))


history = model.fit(x, y, batch_size=32, epochs=3, verbose=0)
start_index = random.randint(0, len(text) - maxlen - 1)
out = io.StringIO()
for diversity in [0.2, 1.2]:
    sentence = text[start_index : start_index + maxlen]
    for _ in range(8):
        x_pred = np.zeros((1, maxlen, len(chars)))
        for t, char in enumerate(sentence):
            x_pred[0, t, char_indices[char]] = 1.0
        preds = model.predict(x_pred, verbose=0)[0]
        next_char = indices_char[sample(preds, diversity)]
        sentence = sentence[1:] + next_char
        out.write(next_char)
assert len(out.getvalue()) == 16
