# Keras 3: colour images through blocks with batch normalization and weight decay
import keras
import numpy as np
from keras import layers, regularizers

rng = np.random.default_rng(0)
x = rng.integers(0, 256, (40, 32, 32, 3)).astype("float32")
y = keras.utils.to_categorical(rng.integers(0, 10, 40))
mean, std = x.mean(axis=(0, 1, 2, 3)), x.std(axis=(0, 1, 2, 3))
x = (x - mean) / (std + 1e-7)

model = keras.Sequential([keras.Input((32, 32, 3))])
for filters, rate in [(4, 0.2), (8, 0.3), (8, 0.4)]:
    for _ in range(2):
        model.add(
            layers.Conv2D(
                filters, 3, padding="same", kernel_regularizer=regularizers.L2(1e-4), use_bias=False
            )
        )
        model.add(layers.BatchNormalization())
        model.add(layers.Activation("elu"))
    model.add(layers.MaxPooling2D(2))
    model.add(layers.Dropout(rate))
model.add(layers.Flatten())
model.add(layers.Dense(10, activation="softmax"))
schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [1e-3, 5e-4, 1e-4])
model.compile(
    keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "categorical_crossentropy",
    metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(k=3)],
)
history = model.fit(x, y, batch_size=10, epochs=2, validation_data=(x[:10], y[:10]), verbose=0)
assert float(model.optimizer.learning_rate) == np.float32(1e-4)
assert len(model.losses) == 6
