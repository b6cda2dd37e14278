# Keras 1: a dense network with SGD, files and JSON
import numpy as np
from keras.layers.core import Dense
from keras.models import Sequential, load_model, model_from_json
from keras.optimizers import SGD

m = Sequential()
m.add(Dense(12, input_dim=8, init="uniform", activation="relu"))
m.add(Dense(1, init="uniform", activation="sigmoid"))
sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
m.compile(loss="binary_crossentropy", optimizer=sgd, metrics=["accuracy"])
x = np.random.rand(30, 8)
y = np.random.randint(0, 2, 30)
m.fit(x, y, nb_epoch=2, batch_size=10, verbose=0)
m.evaluate(x, y, verbose=0)
m.save("sc_m.h5")

load_model("sc_m.h5").predict(x)
m.save_weights("sc_w.h5")
n = model_from_json(m.to_json())
n.load_weights("sc_w.h5")
