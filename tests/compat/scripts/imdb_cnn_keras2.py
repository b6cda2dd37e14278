# Keras 2, 3: convolutions over words
import numpy as np
from keras.layers import Activation, Conv1D, Dense, Dropout, Embedding, GlobalMaxPooling1D
from keras.models import Sequential

m = Sequential()
m.add(Embedding(100, 10, input_length=20))
m.add(Dropout(0.2))
m.add(Conv1D(8, 3, padding="valid", activation="relu", strides=1))
m.add(GlobalMaxPooling1D())
m.add(Dense(8))
m.add(Activation("relu"))
m.add(Dense(1))
m.add(Activation("sigmoid"))
m.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
m.fit(
    np.random.randint(0, 100, (20, 20)),
    np.random.randint(0, 2, 20),
    batch_size=8,
    epochs=1,
    validation_data=(np.random.randint(0, 100, (20, 20)), np.random.randint(0, 2, 20)),
    verbose=0,
)
m.summary()
