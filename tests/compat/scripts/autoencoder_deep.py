# Keras 2, 3: a deep dense autoencoder whose halves are models of their own
import numpy as np
from keras.layers import Dense
from keras.models import Sequential

x = np.random.default_rng(0).random((50, 64)).astype("float32")
encoder = Sequential(
    [
        Dense(32, activation="relu", input_shape=(64,)),
        Dense(8, activation="relu", activity_regularizer="l1"),
    ]
)
decoder = Sequential([Dense(32, activation="relu", input_shape=(8,)), Dense(64, "sigmoid")])
autoencoder = Sequential([encoder, decoder])
autoencoder.compile(optimizer="adam", loss="mse")
history = autoencoder.fit(x, x, epochs=4, batch_size=10, shuffle=True, verbose=0)
codes = encoder.predict(x)
decoded = decoder.predict(codes)
np.testing.assert_allclose(decoded, autoencoder.predict(x), atol=1e-5)
errors = np.mean(np.square(x - decoded), axis=1)
anomalies = np.where(errors > np.quantile(errors, 0.9))[0]
