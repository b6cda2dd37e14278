# Keras 2: characters drawn at the end of each epoch
import numpy as np
from keras.callbacks import LambdaCallback
from keras.layers import LSTM, Activation, Dense
from keras.models import Sequential
from keras.optimizers import RMSprop

m = Sequential()
m.add(LSTM(16, input_shape=(5, 7)))
m.add(Dense(7))
m.add(Activation("softmax"))
m.compile(loss="categorical_crossentropy", optimizer=RMSprop(lr=0.01))


def end(epoch, logs):
    for _ in range(3):
        p = m.predict(np.zeros((1, 5, 7)), verbose=0)[0]
        p = np.asarray(p).astype("float64")
        np.argmax(np.random.multinomial(1, p / p.sum() * 0.999999, 1))


m.fit(
    np.random.rand(20, 5, 7),
    np.eye(7)[np.random.randint(0, 7, 20)],
    batch_size=8,
    epochs=1,
    callbacks=[LambdaCallback(on_epoch_end=end)],
    verbose=0,
)
