# Keras 3: windows of a series by timeseries_dataset_from_array
import keras
import numpy as np
from keras import layers

data = np.sin(np.arange(200).reshape(100, 2) / 9).astype("float32")
delay = 5
windows = [data[i : i + 10] for i in range(100 - 10 - delay)]
x = np.stack(windows)
y = data[10 + delay :, 0]


class Windows(keras.utils.PyDataset):
    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self):
        return int(np.ceil(len(self.x) / self.batch_size))

    def __getitem__(self, index):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.x[rows], self.y[rows]


train = Windows(x[:60], y[:60], 16, workers=1)
validation = Windows(x[60:], y[60:], 16)
model = keras.Sequential(
    [
        keras.Input((10, 2)),
        layers.LSTM(6, recurrent_dropout=0.25),
        layers.Dropout(0.5),
        layers.Dense(1),
    ]
)
model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
keeper = keras.callbacks.ModelCheckpoint("jena.keras", save_best_only=True)
history = model.fit(train, epochs=3, validation_data=validation, callbacks=[keeper], verbose=0)
best = keras.models.load_model("jena.keras")
mae = best.evaluate(validation, verbose=0)[1]
assert abs(mae - min(history.history["val_mae"])) < 0.5
