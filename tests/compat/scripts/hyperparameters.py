# Keras 2, 3: models of every combination of some arguments, the best one kept
import itertools

import numpy as np
from keras import backend as K
from keras.layers import Dense, Dropout
from keras.models import Sequential, clone_model

rng = np.random.default_rng(0)
x = rng.normal(size=(40, 4))
y = (x.sum(axis=1) > 0).astype(int)
best, best_loss, curves = None, np.inf, {}
for units, activation, optimizer in itertools.product([2, 4], ["relu", "selu"], ["adam"]):
    K.clear_session()
    model = Sequential()
    model.add(Dense(units, activation=activation, input_shape=(4,)))
    if units > 2:
        model.add(Dropout(0.1))
    model.add(Dense(2, activation="softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["acc"])
    history = model.fit(x, y, epochs=1, validation_split=0.25, verbose=0)
    curves[units, activation, optimizer] = history.history
    if history.history["val_loss"][-1] < best_loss:
        best, best_loss = (units, activation, optimizer), history.history["val_loss"][-1]
assert len(curves) == 4 and best in curves
copy = clone_model(model)
assert copy.get_config()["layers"][-1] == model.get_config()["layers"][-1]
