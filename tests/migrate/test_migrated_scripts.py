"""Scripts in the manner of old tutorials run after migration, and without a single notice."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from pyseq.compat import notices
from pyseq.compat.notices import CompatNotice
from pyseq.migrate import migrate

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.random((24, 28, 28, 1)).astype("float32")
Y = rng.integers(0, 10, 24)
R = rng.random((24, 8))
"""

SCRIPTS = {
    "keras1_cnn": """
from keras.models import Sequential
from keras.layers.core import Dense, Dropout, Activation, Flatten
from keras.layers.convolutional import Convolution2D, MaxPooling2D
from keras.utils import np_utils

y = np_utils.to_categorical(Y, nb_classes=10)
model = Sequential()
model.add(Convolution2D(4, 3, 3, border_mode='valid', input_shape=(28, 28, 1)))  # first
model.add(Activation('relu'))
model.add(Convolution2D(4, 3, 3, 'he_normal', subsample=(2, 2)))
model.add(MaxPooling2D(pool_size=(2, 2), border_mode='same'))
model.add(Dropout(p=0.25))
model.add(Flatten())
model.add(Dense(output_dim=10, init='uniform'))
model.add(Activation('softmax'))
model.compile(loss='categorical_crossentropy', optimizer='adadelta', metrics=['accuracy'])
history = model.fit(X, y, batch_size=8, nb_epoch=1, verbose=0, validation_data=(X, y))
print(history.history['acc'], history.history['val_acc'])
result = model.predict_classes(X)
assert result.shape == (24,)
result = model.predict_proba(X)
""",
    "keras1_theano_order": """
from keras.models import Sequential
from keras.layers import ZeroPadding2D, Convolution2D, MaxPooling2D, Flatten, Dense
m = Sequential()
m.add(ZeroPadding2D((1, 1), input_shape=(1, 28, 28), dim_ordering="th"))
m.add(Convolution2D(4, 3, 3, activation="relu", dim_ordering="th"))
m.add(MaxPooling2D((2, 2), strides=(2, 2), dim_ordering="th"))
m.add(Flatten())
m.add(Dense(2))
result = m.predict(X.reshape(24, 1, 28, 28), verbose=0)
""",
    "keras1_lstm": """
from keras.preprocessing import sequence
from keras.models import Sequential
from keras.layers.embeddings import Embedding
from keras.layers.recurrent import LSTM
from keras.layers import Dense

x = sequence.pad_sequences([[1, 2, 3]] * 20, maxlen=8)
m = Sequential()
m.add(Embedding(50, 8, dropout=0.0))
m.add(LSTM(8, dropout_W=0.2, dropout_U=0.2, inner_activation='hard_sigmoid', consume_less='cpu'))
m.add(Dense(1, activation="sigmoid"))
m.compile("adam", "binary_crossentropy", ["accuracy"])
m.fit(x, np.ones(20), batch_size=8, nb_epoch=1, verbose=0, show_accuracy=False)
result = m.predict_classes(x)
assert result.shape == (20, 1) and result.dtype == np.int32
""",
    "keras1_sgd": """
import keras
from keras.optimizers import SGD
from keras.constraints import maxnorm
from keras.regularizers import l2, activity_l2
m = keras.models.Sequential()
m.add(keras.layers.core.Dense(12, input_dim=8, init="normal", W_constraint=maxnorm(m=3),
                              W_regularizer=l2(l=0.01)))
m.add(keras.layers.Dense(1, 'uniform', bias=False))
sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
m.compile(loss=keras.objectives.mse, optimizer=sgd)
m.fit(R, R[:, 0], nb_epoch=1, verbose=0)
result = m.predict(R, verbose=0)
""",
    "keras2_generator": """
from keras.preprocessing.image import ImageDataGenerator
from keras.models import Sequential
from keras.layers import Conv2D, Flatten, Dense
from keras import optimizers
from keras.callbacks import ModelCheckpoint, EarlyStopping

gen = ImageDataGenerator(rescale=1.0)
train = gen.flow(X, Y, batch_size=8)
m = Sequential([Conv2D(2, (3, 3), input_shape=(28, 28, 1)), Flatten(), Dense(10)])
m.add(Dense(10, activation='softmax'))
m.compile(optimizers.RMSprop(lr=1e-4), 'sparse_categorical_crossentropy', metrics=['accuracy'])
m.fit_generator(
    train,
    samples_per_epoch=24,  # rows
    nb_epoch=1,
    validation_data=(X, Y),
    nb_val_samples=24,
    verbose=0,
    callbacks=[ModelCheckpoint("w.{epoch:02d}-{val_acc:.2f}.keras", monitor="val_acc", period=1)],
    max_q_size=10
)
m.fit_generator(train, 3, 1, 0, workers=4)
m.evaluate_generator(train, 2)
result = m.predict_generator(train, steps=2)
""",
    "keras2_backend": """
import keras.backend as K
import keras
from keras.layers.advanced_activations import LeakyReLU
from keras.layers.normalization import BatchNormalization
from keras.engine.topology import Layer
from keras.initializers import normal

class Scale(Layer):
    def build(self, shape):
        self.w = self.add_weight('w', shape=(shape[-1],), initializer='ones')
    def call(self, x):
        return x * self.w

m = keras.Sequential([keras.layers.Dense(4, input_dim=8), Scale(), LeakyReLU(alpha=.2),
                      BatchNormalization(mode=0), keras.layers.ReLU()])
m.compile(keras.optimizers.Adam(lr=1, clipnorm=1.), 'mse')
K.set_value(m.optimizer.lr, 0.5)
assert K.get_value(m.optimizer.lr) == 0.5
result = m.layers[0].W
""",
    "tf_keras_chain": """
import tensorflow as tf
model = tf.keras.models.Sequential([
    tf.keras.layers.Flatten(input_shape=(28, 28, 1)),
    tf.keras.layers.Dense(8, activation='relu'),
    tf.keras.layers.LeakyReLU(alpha=0.1),
    tf.keras.layers.Dense(10, activation='softmax')
])
model.compile(optimizer=tf.keras.optimizers.Adam(lr=0.01),
              loss='sparse_categorical_crossentropy', metrics=['acc'])
h = model.fit(X, Y, epochs=1, verbose=0, workers=2)
result = h.history['acc']
""",
    "tf_beside_keras": """
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.layers.experimental.preprocessing import Rescaling
print(tf.__version__)
m = keras.Sequential([Rescaling(1.0), layers.Flatten(), layers.Dense(4), layers.ReLU()])
m.compile(tf.keras.optimizers.SGD(lr=0.1), "mse")
m.fit(X, np.zeros((24, 4)), verbose=0)
result = tf.nn.softmax(m(X[:2])).numpy()
""",
    "python_keras": """
from tensorflow.python.keras.layers import Dense, CuDNNLSTM
from tensorflow.python.keras.models import Sequential
m = Sequential([CuDNNLSTM(4, input_shape=(8, 1)), Dense(1)])
m.compile("rmsprop", "mae")
m.fit(R[..., None], R[:, 0], epochs=1, verbose=0)
result = m.predict(R[..., None], verbose=0)
""",
    "star_imports": """
from keras.models import *
from keras.layers import *
m = Sequential()
m.add(Convolution2D(2, 3, 3, input_shape=(28, 28, 1), activation='relu'))
m.add(AtrousConvolution2D(2, 3, 3, atrous_rate=(2, 2)))
m.add(Flatten())
m.add(Dense(1))
result = m.predict(X, verbose=0)
""",
    "lower_case_optimizers": """
from keras import Sequential
from keras.layers import Dense, TimeDistributedDense, Convolution1D
from keras.optimizers import adam, sgd
adam = adam(lr=0.01)
m = Sequential()
m.add(Convolution1D(4, 3, border_mode='same', input_dim=1, input_length=8))
m.add(TimeDistributedDense(1))
m.compile(adam, "mse")
m.fit(R[..., None], R[..., None], nb_epoch=1, verbose=0)
m.compile(sgd(lr=0.1), "mse")
result = m.predict(R[..., None], verbose=0)
""",
    "names_that_collide": """
from keras.layers import Convolution2D, Flatten
from keras.models import Sequential
def Conv2D(filters, size):
    return Convolution2D(filters, size, size, border_mode='same')
m = Sequential([Conv2D(2, 3), Flatten()])
result = m.predict(X, verbose=0)
""",
    "keras2_schedule": """
from keras.models import Sequential
from keras.layers import Dense
from keras.optimizers import Adam
from keras import callbacks
epochs = 2
learning_rate = 0.1
decay_rate = learning_rate / epochs
m = Sequential()
m.add(Dense(4, input_dim=8, kernel_initializer='normal', activation='relu'))
m.add(Dense(1, activation='sigmoid'))
m.compile(loss='binary_crossentropy', metrics=['acc'],
          optimizer=Adam(lr=learning_rate, beta_1=0.9, decay=decay_rate))
h = m.fit(R, Y > 4, epochs=epochs, verbose=0, validation_split=0.5,
          callbacks=[callbacks.EarlyStopping(monitor='val_acc', patience=1)])
result = h.history["val_acc"]
""",
}


def run(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notices, "_told", set())
    scope = {"__name__": "old_script"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", CompatNotice)
        exec(compile(DATA + source, "old_script.py", "exec"), scope)
    return np.asarray(scope["result"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_migrated_scripts_run_without_notices(name, tmp_path, monkeypatch):
    source = SCRIPTS[name]
    new, problems = migrate(source)
    assert problems == []
    assert new != source
    assert np.isfinite(run(new, tmp_path, monkeypatch)).all()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_second_run_changes_nothing(name):
    new, _ = migrate(SCRIPTS[name])
    assert migrate(new) == (new, [])


@pytest.mark.parametrize("name", SCRIPTS)
def test_comments_stay(name):
    comments = [line.partition("#")[2] for line in SCRIPTS[name].splitlines() if "#" in line]
    new, _ = migrate(SCRIPTS[name])
    assert [line.partition("#")[2] for line in new.splitlines() if "#" in line] == comments


def test_the_scripts_are_told_of_before():
    """Without migration the same spellings give notices, so that the tests above can fail."""
    code = "import pyseq, warnings\nwarnings.simplefilter('error', UserWarning)\n"
    old = SCRIPTS["keras1_cnn"].replace("from keras", "from pyseq")
    env = {**os.environ, "PYSEQ_COMPAT_NOTICES": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code + DATA + old], capture_output=True, text=True, env=env
    )
    assert "CompatNotice" in done.stderr
