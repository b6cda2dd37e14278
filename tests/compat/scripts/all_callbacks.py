# Keras 2, 3: the usual callbacks of a long run, together
import csv
import os

import numpy as np
from keras.callbacks import (
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from keras.layers import Dense
from keras.models import Sequential, load_model

rng = np.random.default_rng(0)
x = rng.normal(size=(50, 4)).astype("float32")
y = x.sum(axis=1)
seen = []
model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dense(1)])
model.compile(loss="mse", optimizer="adam", metrics=["mae"])
callbacks = [
    CSVLogger("log.csv", separator=",", append=False),
    EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True, verbose=1),
    ModelCheckpoint("best.keras", monitor="val_loss", save_best_only=True, verbose=1),
    ModelCheckpoint("w{epoch:02d}.weights.h5", save_weights_only=True),
    ReduceLROnPlateau(monitor="val_loss", factor=0.2, patience=1, min_lr=1e-5, min_delta=10.0),
    LearningRateScheduler(lambda epoch, lr: lr if epoch < 3 else lr * 0.9),
    TerminateOnNaN(),
    LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch)),
]
history = model.fit(x, y, validation_split=0.2, epochs=4, callbacks=callbacks, verbose=0)
assert seen == [0, 1, 2, 3]
with open("log.csv") as file:
    logged = list(csv.DictReader(file))
assert len(logged) == 4 and {"epoch", "loss", "mae", "val_loss", "val_mae"} <= set(logged[0])
assert os.path.exists("w04.weights.h5")
rates = np.array(history.history["learning_rate"])
assert rates[-1] < rates[0]
best = load_model("best.keras")
