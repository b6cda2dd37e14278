# Keras 2: skip-grams of a text and the neighbours of a word
import numpy as np
from keras.layers import Dense, Embedding, Flatten
from keras.models import Sequential
from keras.preprocessing.sequence import make_sampling_table, skipgrams
from keras.preprocessing.text import Tokenizer, one_hot, text_to_word_sequence

corpus = ["the king rules the land", "the queen rules the land", "a dog eats a bone"] * 3
tokenizer = Tokenizer(oov_token="<OOV>")
tokenizer.fit_on_texts(corpus)
vocab = len(tokenizer.word_index) + 1
pairs = []
for words in tokenizer.texts_to_sequences(corpus):
    couples, labels = skipgrams(words, vocab, window_size=1, negative_samples=0.0, seed=0)
    pairs += couples
x, y = np.array(pairs)[:, :1], np.eye(vocab)[np.array(pairs)[:, 1]]
model = Sequential()
model.add(Embedding(input_dim=vocab, output_dim=5, input_length=1))
model.add(Flatten())
model.add(Dense(vocab, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
history = model.fit(x, y, epochs=3, verbose=0)
vectors = model.layers[0].get_weights()[0]
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
near = np.argsort(-(unit @ unit[tokenizer.word_index["king"]]))[:3]
assert near[0] == tokenizer.word_index["king"]
assert make_sampling_table(10).shape == (10,)
assert text_to_word_sequence("The king!") == ["the", "king"] and len(one_hot("a b", 9)) == 2
matrix = tokenizer.texts_to_matrix(corpus, mode="tfidf")
assert matrix.shape == (9, vocab)
