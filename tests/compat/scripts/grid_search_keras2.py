# Keras 2: KerasClassifier in cross validation and a grid search
import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from keras.wrappers.scikit_learn import KerasClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score


def create(optimizer="rmsprop", init="glorot_uniform"):
    m = Sequential()
    m.add(Dense(12, input_dim=8, kernel_initializer=init, activation="relu"))
    m.add(Dense(1, activation="sigmoid"))
    m.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    return m


x = np.random.rand(30, 8)
y = np.random.randint(0, 2, 30)
cross_val_score(KerasClassifier(build_fn=create, epochs=1, batch_size=10, verbose=0), x, y, cv=2)
GridSearchCV(
    KerasClassifier(build_fn=create, verbose=0),
    dict(optimizer=["adam"], epochs=[1], batch_size=[5]),
    cv=2,
).fit(x, y)
