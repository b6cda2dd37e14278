# Keras 2, 3: dilated causal convolutions over a signal
import numpy as np
from keras.layers import Conv1D, Cropping1D, GlobalAveragePooling1D, UpSampling1D, ZeroPadding1D
from keras.models import Sequential

x = np.sin(np.arange(320).reshape(10, 32, 1) / 3).astype("float32")
model = Sequential()
for i, rate in enumerate([1, 2, 4, 8] * 2):
    first = {"input_shape": (None, 1)} if i == 0 else {}
    model.add(
        Conv1D(4, 2, padding="causal", dilation_rate=rate, activation="relu", name=f"c{i}", **first)
    )
model.add(Conv1D(1, 1))
model.compile("adam", "mae")
history = model.fit(x[:, :-1], x[:, 1:], batch_size=5, epochs=2, verbose=0)
later = x[:1].copy()
later[:, 20:] = 5
seen = model.predict(x[:1], verbose=0)
np.testing.assert_allclose(seen[:, :20], model.predict(later, verbose=0)[:, :20], atol=1e-6)
around = Sequential(
    [ZeroPadding1D(2), Cropping1D((1, 0)), UpSampling1D(2), GlobalAveragePooling1D()]
)
means = around.predict(x, verbose=0)
