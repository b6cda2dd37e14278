# Keras 3: schedules of the learning rate, and optimizers in a loop
import keras
import numpy as np
from keras import layers, optimizers
from keras.optimizers import schedules

x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
y = x @ np.float32([[1], [-2], [0.5]])
rates = [
    schedules.ExponentialDecay(0.05, decay_steps=4, decay_rate=0.9, staircase=True),
    schedules.CosineDecay(0.05, 20, alpha=0.1, warmup_target=0.1, warmup_steps=4),
    schedules.CosineDecayRestarts(0.05, 4),
    schedules.PolynomialDecay(0.05, 20, 0.001, power=2.0),
    schedules.InverseTimeDecay(0.05, 5, 0.5),
]
kinds = [optimizers.SGD, optimizers.Adam, optimizers.RMSprop, optimizers.Nadam, optimizers.Adagrad]
kinds += [optimizers.Adamax, optimizers.Ftrl, optimizers.Lion, optimizers.AdamW]
results = {}
for i, kind in enumerate(kinds):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "silu"), layers.Dense(1)])
    optimizer = kind(learning_rate=rates[i % len(rates)], global_clipnorm=5.0, ema_momentum=0.9)
    model.compile(optimizer, "mse")
    history = model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    results[kind.__name__] = history.history["loss"][-1]
    assert int(optimizer.iterations) == 8
learned = np.array([float(rate(np.int64(7))) for rate in rates])
assert len(results) == 9 and np.isfinite(list(results.values())).all()
