# Keras 3: words through two bidirectional LSTMs, with masks
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
texts = [rng.integers(1, 50, rng.integers(2, 9)) for _ in range(24)]
x = keras.utils.pad_sequences(texts, maxlen=8)
y = rng.integers(0, 2, 24)
model = keras.Sequential()
model.add(keras.Input(shape=(None,), dtype="int32"))
model.add(layers.Embedding(50, 8, mask_zero=True))
model.add(layers.Bidirectional(layers.LSTM(4, return_sequences=True)))
model.add(layers.Bidirectional(layers.LSTM(4), merge_mode="sum"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=8, epochs=2, validation_data=(x, y), verbose=0)
longer = np.pad(x, ((0, 0), (3, 0)))
np.testing.assert_allclose(
    model.predict(x, verbose=0), model.predict(longer, verbose=0), rtol=1e-4, atol=1e-5
)
