# Keras 2, 3: training in parts, with steps, validation now and then, and a reload in between
import numpy as np
from keras.callbacks import Callback
from keras.layers import Dense
from keras.models import Sequential, load_model

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 3)).astype("float32")
y = x @ np.float32([1, 2, 3])


class Count(Callback):
    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        Count.batches += 1


model = Sequential([Dense(4, activation="softplus", input_shape=(3,)), Dense(1)])
model.compile("adam", "mse", metrics=["mae", "mape"])
first = model.fit(
    x, y, epochs=4, batch_size=16, validation_split=0.25, validation_freq=2, verbose=0
)
assert len(first.history["val_loss"]) == 2 and len(first.history["loss"]) == 4
model.save("half.keras")
model = load_model("half.keras")
second = model.fit(x, y, epochs=6, initial_epoch=4, batch_size=32, callbacks=[Count()], verbose=0)
assert second.epoch == [4, 5] and Count.batches == 4
assert int(model.optimizer.iterations) == 12 + 4
third = model.fit(x, y, steps_per_epoch=2, epochs=1, batch_size=16, verbose=0)
rows = model.evaluate(x, y, sample_weight=np.ones(64), verbose=0)
assert len(rows) == 3
