# tf.keras: regression with early stopping and Normalization
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

assert tf.__version__ and tf.config.list_physical_devices("GPU") == []
m = keras.Sequential([layers.Dense(64, activation="relu", input_shape=[9]), layers.Dense(1)])
m.compile(loss="mse", optimizer=tf.keras.optimizers.RMSprop(0.001), metrics=["mae", "mse"])
h = m.fit(
    np.random.rand(30, 9),
    np.random.rand(30),
    epochs=2,
    validation_split=0.2,
    verbose=0,
    callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=10)],
)
h.history["val_mae"]
_loss, _mae, _mse = m.evaluate(np.random.rand(30, 9), np.random.rand(30), verbose=2)
m.predict(np.random.rand(3, 9)).flatten()
norm = layers.Normalization(axis=-1)
norm.adapt(np.random.rand(30, 9))
keras.Sequential([norm, layers.Dense(1)]).predict(np.random.rand(2, 9), verbose=0)
