# Keras 2: arguments of several releases in one script
import keras
import numpy as np
from keras.layers import Conv1D, Dense, Dropout, Flatten, LeakyReLU
from keras.layers.core import Activation
from keras.models import Sequential
from keras.optimizers import Adam
from keras.regularizers import l2

x = np.random.rand(24, 10, 3)
y = np.random.randint(0, 2, (24, 1))
model = Sequential()
model.add(Conv1D(nb_filter=4, filter_length=3, border_mode="same", input_shape=(10, 3)))
model.add(LeakyReLU(alpha=0.1))
model.add(Conv1D(filters=4, kernel_size=3, strides=1, padding="same", W_regularizer=l2(0.01)))
model.add(Activation("relu"))
model.add(Dropout(p=0.25))
model.add(Flatten())
model.add(Dense(output_dim=8, init="he_normal", activation="relu"))
model.add(Dense(units=1, kernel_initializer="glorot_normal", activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer=Adam(lr=0.01, decay=0.001), metrics=["acc"])
old = model.fit(x, y, nb_epoch=1, batch_size=8, verbose=0, validation_split=0.25)
new = model.fit(x, y, epochs=1, batch_size=8, verbose=0, validation_split=0.25)
assert list(old.history) == list(new.history)
assert np.isclose(keras.backend.get_value(model.optimizer.lr), 0.01)
assert keras.backend.image_data_format() == "channels_last"
