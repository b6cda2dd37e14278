# Keras 1: training, evaluation and prediction by generators
import keras
import numpy as np


def gen():
    while True:
        yield np.random.rand(4, 3), np.random.rand(4, 1)


m = keras.models.Sequential()
m.add(keras.layers.Dense(8, input_shape=(3,), kernel_regularizer=keras.regularizers.l2(0.01)))
m.add(keras.layers.BatchNormalization())
m.add(keras.layers.Activation("elu"))
m.add(keras.layers.Dense(1))
m.compile(optimizer=keras.optimizers.Adam(lr=1e-3, clipnorm=1.0), loss="mae")
m.fit_generator(
    gen(), samples_per_epoch=12, nb_epoch=1, validation_data=gen(), nb_val_samples=4, verbose=0
)
m.evaluate_generator(gen(), 2)
m.predict_generator(gen(), 2)
