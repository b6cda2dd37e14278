# Keras 2: a label for each step, weighted by step
import keras
import numpy as np

m = keras.Sequential(
    [
        keras.layers.TimeDistributed(keras.layers.Dense(4), input_shape=(5, 3)),
        keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True), merge_mode="concat"),
        keras.layers.TimeDistributed(keras.layers.Dense(2, activation="softmax")),
    ]
)
m.compile("rmsprop", "categorical_crossentropy", sample_weight_mode="temporal")
m.fit(
    np.random.rand(6, 5, 3),
    np.eye(2)[np.random.randint(0, 2, (6, 5))],
    sample_weight=np.ones((6, 5)),
    verbose=0,
)
