# Keras 3: averaged weights, accumulated gradients and a loss scale in the optimizer
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(32, 4)).astype("float32")
y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
model = keras.Sequential([keras.Input((4,)), layers.Dense(6, "mish"), layers.Dense(1, "sigmoid")])
model.compile(
    optimizer=keras.optimizers.Adam(
        0.01, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=2, clipvalue=0.5
    ),
    loss=keras.losses.BinaryCrossentropy(label_smoothing=0.1),
    metrics=[keras.metrics.F1Score(threshold=0.5), keras.metrics.Precision(), "recall"],
)
swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
history = model.fit(
    x, y, batch_size=8, epochs=2, validation_data=(x, y), callbacks=[swap], verbose=0
)
config = keras.optimizers.serialize(model.optimizer)
assert config["config"]["gradient_accumulation_steps"] == 2
same = keras.optimizers.deserialize(config)
assert type(same) is type(model.optimizer)
