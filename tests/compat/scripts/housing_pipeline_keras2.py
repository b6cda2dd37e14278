# Keras 2: KerasRegressor behind a StandardScaler
import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from keras.wrappers.scikit_learn import KerasRegressor
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def base():
    m = Sequential()
    m.add(Dense(13, input_dim=13, kernel_initializer="normal", activation="relu"))
    m.add(Dense(1, kernel_initializer="normal"))
    m.compile(loss="mean_squared_error", optimizer="adam")
    return m


p = Pipeline(
    [
        ("standardize", StandardScaler()),
        ("mlp", KerasRegressor(build_fn=base, epochs=1, batch_size=5, verbose=0)),
    ]
)
r = cross_val_score(p, np.random.rand(20, 13), np.random.rand(20), cv=KFold(n_splits=2))
r.mean()
