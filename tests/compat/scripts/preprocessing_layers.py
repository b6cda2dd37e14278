# Keras 3: categories and bins by preprocessing layers
import keras
import numpy as np
from keras import layers

ages = np.array([[18.0], [25.0], [33.0], [47.0], [64.0], [71.0]] * 4, dtype="float32")
target = (ages[:, 0] > 40).astype("float32")
bins = layers.Discretization(bin_boundaries=[20.0, 30.0, 50.0], output_mode="int")
bucketed = np.asarray(keras.ops.convert_to_numpy(bins(ages)))
assert bucketed[:6, 0].tolist() == [0, 1, 2, 2, 3, 3]
onehot = layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")
encoded = np.asarray(keras.ops.convert_to_numpy(onehot(bucketed)))
model = keras.Sequential([keras.Input((4,)), layers.UnitNormalization(), layers.Dense(1)])
model.compile(
    keras.optimizers.SGD(0.1),
    loss=keras.losses.BinaryFocalCrossentropy(from_logits=True, gamma=1.0, label_smoothing=0.05),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0), keras.metrics.AUC(from_logits=True)],
)
history = model.fit(encoded, target, epochs=3, verbose=0)
