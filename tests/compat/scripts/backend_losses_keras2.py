# Keras 2: losses and metrics of backend functions
import numpy as np
from keras import backend as K
from keras.layers import Dense, Lambda
from keras.models import Sequential


def rmse(a, b):
    return K.sqrt(K.mean(K.square(b - a), axis=-1))


def r2(a, b):
    return 1 - K.sum(K.square(a - b)) / (K.sum(K.square(a - K.mean(a))) + K.epsilon())


m = Sequential([Dense(4, input_dim=3), Lambda(lambda x: K.l2_normalize(x, axis=1)), Dense(1)])
m.compile(loss=rmse, optimizer="adam", metrics=[r2])
m.fit(np.random.rand(20, 3), np.random.rand(20), verbose=0)
K.clear_session()
f = K.function([m.layers[0].input], [m.layers[1].output])
f([np.random.rand(2, 3)])[0]
K.get_value(m.optimizer.lr)
K.set_value(m.optimizer.lr, 0.01)
