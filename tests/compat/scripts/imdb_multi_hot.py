# Keras 2, 3: reviews as vectors of ones, with a validation part cut off by hand
import numpy as np
from keras import layers, models, optimizers

rng = np.random.default_rng(0)
sequences = [rng.integers(1, 60, rng.integers(3, 12)).tolist() for _ in range(80)]
labels = rng.integers(0, 2, 80)


def vectorize_sequences(sequences, dimension=60):
    results = np.zeros((len(sequences), dimension))
    for i, sequence in enumerate(sequences):
        results[i, sequence] = 1.0
    return results


x_train = vectorize_sequences(sequences)
y_train = np.asarray(labels).astype("float32")
x_val, partial_x_train = x_train[:20], x_train[20:]
y_val, partial_y_train = y_train[:20], y_train[20:]

model = models.Sequential()
model.add(layers.Dense(16, activation="relu", input_shape=(60,)))
model.add(layers.Dense(16, activation="relu"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(
    optimizer=optimizers.RMSprop(learning_rate=0.001),
    loss="binary_crossentropy",
    metrics=["binary_accuracy"],
)
history = model.fit(
    partial_x_train,
    partial_y_train,
    epochs=4,
    batch_size=16,
    validation_data=(x_val, y_val),
    verbose=0,
)
history_dict = history.history
epochs = range(1, len(history_dict["binary_accuracy"]) + 1)
assert list(epochs) == [1, 2, 3, 4] and len(history_dict["val_loss"]) == 4
predictions = model.predict(x_val)
