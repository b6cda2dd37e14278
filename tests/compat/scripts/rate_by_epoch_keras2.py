# Keras 2: rates by epoch, read back from the optimizer
import numpy as np
from keras import backend as K
from keras.callbacks import Callback, LearningRateScheduler
from keras.layers import Dense
from keras.models import Sequential
from keras.optimizers import SGD


class H(Callback):
    def on_train_begin(self, logs=None):
        if logs is None:
            logs = {}
        self.losses = []
        self.lr = []

    def on_batch_end(self, batch, logs=None):
        if logs is None:
            logs = {}
        self.losses.append(logs.get("loss"))

    def on_epoch_end(self, e, logs=None):
        if logs is None:
            logs = {}
        self.lr.append(
            K.get_value(self.model.optimizer.lr)
            * (
                1.0
                / (
                    1.0
                    + K.get_value(self.model.optimizer.decay)
                    * K.get_value(self.model.optimizer.iterations)
                )
            )
        ) if hasattr(self.model.optimizer, "decay") else self.lr.append(
            K.get_value(self.model.optimizer.lr)
        )


h = H()
m = Sequential([Dense(1, input_dim=3)])
m.compile(loss="mse", optimizer=SGD(lr=0.0, momentum=0.9, decay=0.0))
m.fit(
    np.random.rand(20, 3),
    np.random.rand(20),
    epochs=2,
    verbose=0,
    callbacks=[h, LearningRateScheduler(lambda e: 0.1 * 0.5**e)],
)
assert len(h.losses) == 2
