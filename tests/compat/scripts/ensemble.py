# Keras 3: members of an ensemble, averaged by votes, and their weights averaged
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(90, 2)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("int32") + (x[:, 0] > 1)


def fit_model(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(12, "relu"), layers.Dense(3, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:60], y[:60], epochs=3, verbose=0)
    return model


members = [fit_model(seed) for seed in range(3)]
yhats = np.array([model.predict(x[60:], verbose=0) for model in members])
summed = np.argmax(np.sum(yhats, axis=0), axis=1)
averaged = keras.models.clone_model(members[0])
averaged.set_weights([np.mean(w, axis=0) for w in zip(*[m.get_weights() for m in members])])
averaged.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
loss, accuracy = averaged.evaluate(x[60:], y[60:], verbose=0)
same = fit_model(1)
np.testing.assert_allclose(same.get_weights()[0], members[1].get_weights()[0], rtol=1e-6)
