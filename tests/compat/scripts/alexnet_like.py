# Keras 2, 3: a large network for images in a function, counted layer by layer
import keras
import numpy as np
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from keras.models import Sequential


def alexnet(img_shape=(67, 67, 3), n_classes=10, l2_reg=0.0):
    net = Sequential()
    net.add(
        Conv2D(
            8,
            (11, 11),
            strides=4,
            input_shape=img_shape,
            padding="same",
            kernel_regularizer=keras.regularizers.l2(l2_reg),
        )
    )
    net.add(BatchNormalization())
    net.add(Activation("relu"))
    net.add(MaxPooling2D(pool_size=(3, 3), strides=(2, 2)))
    net.add(Conv2D(12, (5, 5), padding="same", groups=2))
    net.add(Activation("relu"))
    net.add(MaxPooling2D(pool_size=(3, 3), strides=2, padding="same"))
    net.add(Flatten())
    net.add(Dense(24, kernel_constraint=keras.constraints.MaxNorm(3), bias_initializer="ones"))
    net.add(Activation("relu"))
    net.add(Dropout(0.5, noise_shape=(None, 24), seed=3))
    net.add(Dense(n_classes, activation="softmax"))
    return net


model = alexnet(l2_reg=1e-4)
lines = []
model.summary(print_fn=lambda line, **_: lines.append(line))
text = "\n".join(lines)
assert f"{model.count_params():,}" in text and "conv2d" in text.lower()
trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
assert model.count_params() - trainable == 16
model.compile("sgd", "categorical_crossentropy", metrics=["accuracy", "top_k_categorical_accuracy"])
history = model.fit(np.ones((4, 67, 67, 3)), np.eye(10)[:4], epochs=1, verbose=0)
