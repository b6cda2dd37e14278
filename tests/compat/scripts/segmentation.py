# Keras 3: a class for each pixel, by downsampling and two ways of upsampling
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
images = rng.random((12, 16, 16, 3)).astype("float32")
masks = keras.utils.to_categorical(images.sum(axis=-1).astype("uint8"), 3)
model = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(2.0, offset=-1.0)])
for filters in (4, 8):
    model.add(layers.Conv2D(filters, 3, strides=2, activation="relu", padding="same"))
    model.add(layers.Conv2D(filters, 3, activation="relu", padding="same"))
model.add(layers.Conv2DTranspose(8, 3, activation="relu", padding="same", strides=2))
model.add(layers.UpSampling2D(2))
model.add(layers.Cropping2D(2))
model.add(layers.ZeroPadding2D(((2, 2), (2, 2))))
model.add(layers.Conv2D(3, 1, activation="softmax", padding="same"))
model.compile(
    optimizer="rmsprop",
    loss="categorical_crossentropy",
    metrics=[
        keras.metrics.CategoricalAccuracy(name="pixels"),
        keras.metrics.MeanIoU(3, sparse_y_true=False, sparse_y_pred=False, name="iou"),
    ],
)
history = model.fit(images, masks, batch_size=4, epochs=2, validation_split=0.25, verbose=0)
mask = model.predict(images[:1], verbose=0)[0]
labels = np.argmax(mask, axis=-1)
