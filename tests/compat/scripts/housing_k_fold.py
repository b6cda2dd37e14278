# Keras 2, 3: folds by hand around a function that builds a model
import numpy as np
from keras import layers, models

rng = np.random.default_rng(0)
train_data = rng.normal(3, 2, (40, 13))
train_targets = train_data[:, 0] * 2 + rng.normal(0, 0.1, 40)
train_data -= train_data.mean(axis=0)
train_data /= train_data.std(axis=0)


def build_model():
    model = models.Sequential()
    model.add(layers.Dense(16, activation="relu", input_shape=(train_data.shape[1],)))
    model.add(layers.Dense(16, activation="relu"))
    model.add(layers.Dense(1))
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    return model


k = 4
num_val_samples = len(train_data) // k
all_mae_histories = []
for i in range(k):
    val_data = train_data[i * num_val_samples : (i + 1) * num_val_samples]
    val_targets = train_targets[i * num_val_samples : (i + 1) * num_val_samples]
    partial_train_data = np.concatenate(
        [train_data[: i * num_val_samples], train_data[(i + 1) * num_val_samples :]], axis=0
    )
    partial_train_targets = np.concatenate(
        [train_targets[: i * num_val_samples], train_targets[(i + 1) * num_val_samples :]], axis=0
    )
    model = build_model()
    history = model.fit(
        partial_train_data,
        partial_train_targets,
        validation_data=(val_data, val_targets),
        epochs=2,
        batch_size=8,
        verbose=0,
    )
    all_mae_histories.append(history.history["val_mae"])
    val_mse, val_mae = model.evaluate(val_data, val_targets, verbose=0)
average_mae_history = np.array([np.mean([x[i] for x in all_mae_histories]) for i in range(2)])
