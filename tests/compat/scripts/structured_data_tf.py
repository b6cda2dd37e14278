# tf.keras: rows of a table through tf.data, preprocessing layers and class weights
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

rng = np.random.default_rng(0)
ages = rng.integers(20, 80, 64).astype("float32")
kinds = np.array(["fixed", "normal", "reversible"])[rng.integers(0, 3, 64)]
target = (ages > 50).astype("float32")
lookup = layers.StringLookup(output_mode="one_hot")
lookup.adapt(kinds)
scale = layers.Normalization(axis=None)
scale.adapt(ages)


def prepare(age, kind, label):
    return tf.concat([tf.reshape(scale(age), (-1, 1)), lookup(kind)], axis=-1), label


ds = tf.data.Dataset.from_tensor_slices((ages, kinds, target))
ds = ds.shuffle(64, seed=1).batch(16).map(prepare).prefetch(tf.data.AUTOTUNE)
features, label = next(iter(ds))
assert features.shape == (16, 5)
model = tf.keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(1)])
model.compile(
    optimizer="adam",
    loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=["accuracy", keras.metrics.AUC(from_logits=True, name="auc")],
)
history = model.fit(ds, epochs=3, class_weight={0: 1.0, 1: 1.5}, verbose=0)
assert list(history.history) == ["accuracy", "auc", "loss"] or set(history.history) == {
    "accuracy",
    "auc",
    "loss",
}
