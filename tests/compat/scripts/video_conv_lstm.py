# Keras 2, 3: the next frame of a film by ConvLSTM2D
import numpy as np
from keras.layers import BatchNormalization, Conv3D, ConvLSTM2D
from keras.models import Sequential

frames = np.zeros((6, 7, 8, 8, 1), "float32")
for n in range(6):
    for t in range(7):
        frames[n, t, (n + t) % 8, 2:5] = 1
x, y = frames[:, :-1], frames[:, 1:]
seq = Sequential()
seq.add(
    ConvLSTM2D(
        filters=4,
        kernel_size=(3, 3),
        input_shape=(None, 8, 8, 1),
        padding="same",
        return_sequences=True,
    )
)
seq.add(BatchNormalization())
seq.add(ConvLSTM2D(filters=4, kernel_size=(3, 3), padding="same", return_sequences=True))
seq.add(Conv3D(filters=1, kernel_size=(3, 3, 3), activation="sigmoid", padding="same"))
seq.compile(loss="binary_crossentropy", optimizer="adadelta")
history = seq.fit(x, y, batch_size=3, epochs=1, validation_split=0.34, verbose=0)
track = frames[0][:3]
for _ in range(3):
    new_pos = seq.predict(track[np.newaxis], verbose=0)
    track = np.concatenate((track, new_pos[0, -1:]), axis=0)
