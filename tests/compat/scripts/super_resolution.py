# Keras 3: pixels rearranged by Reshape and Permute, and PSNR as a function of ops
import keras
import numpy as np
from keras import layers, ops

large = np.random.default_rng(0).random((8, 16, 16, 1)).astype("float32")
small = large.reshape(8, 8, 2, 8, 2, 1).mean(axis=(2, 4))


def psnr(y_true, y_pred):
    mse = ops.mean(ops.square(y_true - y_pred), axis=[1, 2, 3])
    return 10.0 * ops.log(1.0 / mse) / ops.log(10.0)


model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(8, 5, padding="same", activation="relu", kernel_initializer="orthogonal"),
        layers.GroupNormalization(groups=4),
        layers.Conv2D(4, 3, padding="same"),
        layers.Reshape((8, 8, 2, 2)),
        layers.Permute((1, 3, 2, 4)),
        layers.Reshape((16, 16, 1)),
        layers.Lambda(lambda image: ops.clip(image, 0.0, 1.0)),
    ]
)
model.compile("adam", "mae", metrics=[psnr])
history = model.fit(small, large, batch_size=4, epochs=2, verbose=0)
restored = model.predict(small, verbose=0)
