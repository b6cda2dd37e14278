# tf.keras: digits through tf.data
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

Y = np.random.default_rng(1).integers(0, 10, 60)
X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")


tf.random.set_seed(1)
ds = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(60).batch(16).prefetch(tf.data.AUTOTUNE)
m = tf.keras.Sequential(
    [
        tf.keras.layers.Flatten(input_shape=(28, 28, 1)),
        layers.Dense(16, activation=tf.nn.relu),
        layers.Dense(10),
    ]
)
m.compile(
    optimizer="adam",
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
m.fit(ds, epochs=1, verbose=0)
p = tf.nn.softmax(m(X[:1])).numpy()
tf.argmax(p, axis=1).numpy()
