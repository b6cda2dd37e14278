# Keras 1: layers in their old modules
import numpy as np
from keras.constraints import maxnorm
from keras.layers import Conv2D, Dense
from keras.layers.advanced_activations import PReLU
from keras.layers.normalization import BatchNormalization
from keras.layers.pooling import GlobalAveragePooling2D
from keras.models import Sequential
from keras.regularizers import l2

m = Sequential(
    [
        Dense(4, input_dim=3, W_regularizer=l2(0.01), W_constraint=maxnorm(3)),
        BatchNormalization(),
        PReLU(),
    ]
)
m.compile("sgd", "mse")
m.fit(np.ones((8, 3)), np.ones((8, 4)), verbose=0)
m = Sequential(
    [Conv2D(4, 3, input_shape=(8, 8, 1)), PReLU(shared_axes=[1, 2]), GlobalAveragePooling2D()]
)
m.predict(np.ones((1, 8, 8, 1)), verbose=0)
