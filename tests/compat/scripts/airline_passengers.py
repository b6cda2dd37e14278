# Keras 2, 3: windows of a series, scaled and predicted by an LSTM
import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential

dataset = (np.sin(np.arange(100) / 6) * 40 + np.arange(100) + 100).reshape(-1, 1)
low, high = dataset.min(), dataset.max()
dataset = (dataset - low) / (high - low)
train, test = dataset[:67], dataset[67:]


def create_dataset(dataset, look_back=1):
    dataX, dataY = [], []
    for i in range(len(dataset) - look_back - 1):
        dataX.append(dataset[i : (i + look_back), 0])
        dataY.append(dataset[i + look_back, 0])
    return np.array(dataX), np.array(dataY)


look_back = 3
trainX, trainY = create_dataset(train, look_back)
testX, testY = create_dataset(test, look_back)
trainX = np.reshape(trainX, (trainX.shape[0], trainX.shape[1], 1))
testX = np.reshape(testX, (testX.shape[0], testX.shape[1], 1))
model = Sequential()
model.add(LSTM(4, input_shape=(look_back, 1)))
model.add(Dense(1))
model.compile(loss="mean_squared_error", optimizer="adam")
history = model.fit(trainX, trainY, epochs=2, batch_size=8, verbose=2)
testPredict = model.predict(testX) * (high - low) + low
rmse = np.sqrt(np.mean((testY * (high - low) + low - testPredict[:, 0]) ** 2))
assert np.isfinite(rmse)
