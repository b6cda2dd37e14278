# Keras 3: callbacks of one's own: a stop, a rate that changes, a history of batches
import keras
import numpy as np
from keras import layers

x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
y = 3 * x + 1


class StopAtLoss(keras.callbacks.Callback):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def on_epoch_end(self, epoch, logs=None):
        if logs["loss"] < self.limit:
            self.model.stop_training = True


class WarmUp(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        rate = float(self.model.optimizer.learning_rate)
        self.model.optimizer.learning_rate = min(rate * 1.5, 0.3)


class Calls(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.names = []

    def on_train_begin(self, logs=None):
        self.names.append("train")
        assert self.params["epochs"] == 30 and self.model is not None

    def on_epoch_begin(self, epoch, logs=None):
        self.names.append("epoch")

    def on_test_begin(self, logs=None):
        self.names.append("test")

    def on_predict_batch_end(self, batch, logs=None):
        self.names.append(("predicted", logs["outputs"].shape))


calls = Calls()
model = keras.Sequential([layers.Dense(1)])
model.compile(keras.optimizers.SGD(0.001), "mse")
history = model.fit(
    x,
    y,
    epochs=30,
    batch_size=16,
    validation_data=(x, y),
    callbacks=[StopAtLoss(0.5), WarmUp(), calls],
    verbose=0,
)
history.history = {key: numbers[:1] for key, numbers in history.history.items()}
model.predict(x, callbacks=[calls], verbose=0)
assert calls.names[:3] == ["train", "epoch", "test"]
assert calls.names[-1] == ("predicted", (32, 1))
assert len(history.epoch) < 30
