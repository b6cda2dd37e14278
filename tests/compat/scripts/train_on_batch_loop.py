# Keras 3: an own loop over batches with train_on_batch, test_on_batch and reset_metrics
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(48, 5)).astype("float32")
y = (x[:, :1] > 0).astype("float32")
model = keras.Sequential([layers.Dense(6, "relu"), layers.Dense(1, "sigmoid")])
model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
losses = []
for epoch in range(4):
    order = rng.permutation(48)
    for start in range(0, 48, 16):
        rows = order[start : start + 16]
        logs = model.train_on_batch(x[rows], y[rows], return_dict=True)
    losses.append(float(logs["loss"]))
    assert set(logs) == {"loss", "accuracy"}
    model.reset_metrics()
    if epoch == 1:
        model.optimizer.learning_rate = 0.01
tested = np.array(model.test_on_batch(x, y))
model.reset_metrics()
evaluated = model.evaluate(x, y, batch_size=48, verbose=0)
np.testing.assert_allclose(tested, evaluated, rtol=1e-5)
assert losses[-1] < losses[0] and int(model.optimizer.iterations) == 12
