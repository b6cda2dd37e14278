# Keras 2: keras.utils.Sequence through fit_generator with workers
import keras
import numpy as np
from keras.layers import Conv2D, Dense, Flatten
from keras.models import Sequential


class DataGenerator(keras.utils.Sequence):
    def __init__(self, list_IDs, labels, batch_size=4, dim=(8, 8), n_classes=3, shuffle=True):
        self.dim = dim
        self.batch_size = batch_size
        self.labels = labels
        self.list_IDs = list_IDs
        self.n_classes = n_classes
        self.shuffle = shuffle
        self.on_epoch_end()

    def __len__(self):
        return int(np.floor(len(self.list_IDs) / self.batch_size))

    def __getitem__(self, index):
        indexes = self.indexes[index * self.batch_size : (index + 1) * self.batch_size]
        names = [self.list_IDs[k] for k in indexes]
        X = np.empty((self.batch_size, *self.dim, 1))
        y = np.empty((self.batch_size), dtype=int)
        for i, name in enumerate(names):
            y[i] = self.labels[name]
            X[i] = y[i] / 3
        return X, keras.utils.to_categorical(y, num_classes=self.n_classes)

    def on_epoch_end(self):
        self.indexes = np.arange(len(self.list_IDs))
        if self.shuffle:
            np.random.shuffle(self.indexes)


ids = [f"id-{i}" for i in range(24)]
labels = {name: i % 3 for i, name in enumerate(ids)}
training = DataGenerator(ids[:16], labels)
validation = DataGenerator(ids[16:], labels, shuffle=False)
model = Sequential()
model.add(Conv2D(3, 3, input_shape=(8, 8, 1), activation="relu"))
model.add(Flatten())
model.add(Dense(3, activation="softmax"))
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
history = model.fit_generator(
    generator=training,
    validation_data=validation,
    use_multiprocessing=False,
    workers=2,
    epochs=2,
    verbose=0,
)
assert len(history.history["val_accuracy"]) == 2
predictions = model.predict_generator(validation)
assert predictions.shape == (8, 3)
