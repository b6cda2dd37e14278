# Keras 3: texts through TextVectorization and an Embedding
import keras
import numpy as np
from keras import layers

texts = np.array(["A good film", "what a bad, bad film!", "good fun", "no fun at all"] * 5)
labels = np.array([1, 0, 1, 0] * 5)
vectorize = layers.TextVectorization(max_tokens=12, output_mode="int", output_sequence_length=5)
vectorize.adapt(texts)
vocabulary = vectorize.get_vocabulary()
assert vocabulary[:2] == ["", "[UNK]"] and "film" in vocabulary
tokens = np.asarray(vectorize(texts))
model = keras.Sequential(
    [
        layers.Embedding(input_dim=len(vocabulary), output_dim=6, mask_zero=True),
        layers.GlobalAveragePooling1D(),
        layers.Dense(8, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.05),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
history = model.fit(tokens, labels, epochs=15, verbose=0)
assert history.history["binary_accuracy"][-1] == 1.0
weights = model.layers[0].get_weights()[0]
