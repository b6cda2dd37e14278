# Keras 2, 3: several labels a row, by sigmoids and a threshold
import numpy as np
from keras.layers import BatchNormalization, Dense
from keras.metrics import AUC, Precision, Recall
from keras.models import Sequential

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 8)).astype("float32")
y = (X[:, :3] + 0.1 * rng.normal(size=(60, 3)) > 0).astype("int32")


def get_model(n_inputs, n_outputs):
    model = Sequential()
    model.add(Dense(20, input_dim=n_inputs, kernel_initializer="he_uniform", activation="relu"))
    model.add(BatchNormalization())
    model.add(Dense(n_outputs, activation="sigmoid"))
    model.compile(
        loss="binary_crossentropy",
        optimizer="adam",
        metrics=["accuracy", Precision(), Recall(), AUC(multi_label=True, num_labels=3)],
    )
    return model


model = get_model(8, 3)
history = model.fit(X, y, verbose=0, epochs=3)
yhat = model.predict(X).round()
exact = np.all(yhat == y, axis=1).mean()
values = model.evaluate(X, y, verbose=0, return_dict=True)
assert values["accuracy"] == np.float32(values["accuracy"]) and 0 <= exact <= 1
newX = np.asarray([[3, 3, 6, 7, 8, 2, 11, 11]])
single = model.predict(newX)
