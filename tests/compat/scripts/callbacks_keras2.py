# Keras 2: checkpoints, early stopping and rates
import numpy as np
from keras.callbacks import (
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from keras.layers import Dense
from keras.models import Sequential

x = np.random.rand(30, 8)
y = np.random.randint(0, 2, 30)
m = Sequential([Dense(4, input_shape=(8,), activation="relu"), Dense(1, activation="sigmoid")])
m.compile("adam", "binary_crossentropy", ["acc"])
d = "."
m.fit(
    x,
    y,
    validation_split=0.2,
    epochs=2,
    verbose=0,
    callbacks=[
        ModelCheckpoint(
            d + "/w-{epoch:02d}-{val_acc:.2f}.hdf5",
            monitor="val_acc",
            save_best_only=True,
            mode="max",
            period=1,
        ),
        EarlyStopping(monitor="val_loss", patience=1, min_delta=0, verbose=0),
        ReduceLROnPlateau(factor=0.5),
        LearningRateScheduler(lambda e: 0.01),
    ],
)
m.save(d + "/final")
