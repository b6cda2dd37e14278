# Keras 3: regression behind a Normalization layer, with a custom metric
import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(0)
features = rng.normal([10, -3, 200], [2, 0.5, 60], (80, 3)).astype("float32")
targets = (features @ [0.3, 1.0, 0.01] + 2).astype("float32")
normalizer = layers.Normalization(axis=-1)
normalizer.adapt(features)
standardized = np.asarray(keras.ops.convert_to_numpy(normalizer(features)))
assert abs(standardized.mean()) < 1e-3 and abs(standardized.std() - 1) < 1e-2


def within_one(y_true, y_pred):
    return ops.mean(ops.cast(ops.abs(y_true - y_pred) < 1.0, "float32"))


model = keras.Sequential(
    [normalizer, layers.Dense(8, "gelu"), layers.Dense(1, kernel_initializer="he_normal")]
)
model.compile(
    optimizer=keras.optimizers.AdamW(0.02),
    loss=keras.losses.Huber(delta=2.0),
    metrics=["mae", keras.metrics.RootMeanSquaredError(), keras.metrics.R2Score(), within_one],
)
history = model.fit(features, targets[:, None], epochs=5, validation_split=0.2, verbose=0)
assert history.history["loss"][-1] < history.history["loss"][0]
