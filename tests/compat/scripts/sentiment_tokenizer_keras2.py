# Keras 2: texts through a Tokenizer and a bidirectional LSTM
import numpy as np
from keras.layers import Bidirectional, CuDNNLSTM, Dense, Embedding, SpatialDropout1D
from keras.models import Sequential
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer

t = Tokenizer(num_words=100, split=" ")
tx = ["good movie really", "bad film not good"] * 10
t.fit_on_texts(tx)
x = pad_sequences(t.texts_to_sequences(tx))
m = Sequential()
m.add(Embedding(100, 8, input_length=x.shape[1]))
m.add(SpatialDropout1D(0.4))
m.add(Bidirectional(CuDNNLSTM(8)))
m.add(Dense(2, activation="softmax"))
m.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["acc"])
y = np.eye(2)[[0, 1] * 10]
h = m.fit(x, y, epochs=1, batch_size=4, verbose=0)
h.history["acc"]
