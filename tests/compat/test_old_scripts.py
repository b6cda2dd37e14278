"""Scripts in the manner of the tutorials of 2016 to 2020, with the import changed and small data."""

import numpy as np
import pytest

X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")
Y = np.random.default_rng(1).integers(0, 10, 60)

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pyseq.compat.notices.CompatNotice"),
    pytest.mark.usefixtures("in_a_folder"),
]


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_keras1_mnist_cnn():
    from pyseq.layers.convolutional import Convolution2D, MaxPooling2D

    from pyseq.layers.core import Activation, Dense, Dropout, Flatten
    from pyseq.models import Sequential
    from pyseq.utils import np_utils

    y = np_utils.to_categorical(Y, 10)
    m = Sequential()
    m.add(Convolution2D(8, 3, 3, border_mode="valid", input_shape=(28, 28, 1)))
    m.add(Activation("relu"))
    m.add(Convolution2D(8, 3, 3))
    m.add(Activation("relu"))
    m.add(MaxPooling2D(pool_size=(2, 2)))
    m.add(Dropout(0.25))
    m.add(Flatten())
    m.add(Dense(16))
    m.add(Activation("relu"))
    m.add(Dropout(0.5))
    m.add(Dense(10))
    m.add(Activation("softmax"))
    m.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
    m.fit(X, y, batch_size=32, nb_epoch=1, verbose=0, validation_data=(X, y))
    sc = m.evaluate(X, y, verbose=0)
    sc[0], sc[1]
    m.predict_classes(X)
    m.predict_proba(X)


def test_keras1_lstm():
    from pyseq.layers import LSTM, Dense, Embedding
    from pyseq.models import Sequential
    from pyseq.preprocessing import sequence

    x = sequence.pad_sequences([[1, 2, 3]] * 20, maxlen=8)
    y = np.ones(20)
    m = Sequential()
    m.add(Embedding(50, 8, input_length=8, dropout=0.2))
    m.add(LSTM(8, dropout_W=0.2, dropout_U=0.2))
    m.add(Dense(1, activation="sigmoid"))
    m.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    m.fit(x, y, batch_size=8, nb_epoch=1, verbose=0)


def test_keras2_cifar_idg():
    import pyseq as keras
    from pyseq.layers import Conv2D, Dense, Flatten, MaxPooling2D
    from pyseq.models import Sequential
    from pyseq.preprocessing.image import ImageDataGenerator

    x = np.random.rand(20, 32, 32, 3).astype("f")
    y = keras.utils.to_categorical(np.random.randint(0, 10, 20), 10)
    g = ImageDataGenerator(
        rotation_range=10, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True
    )
    g.fit(x)
    m = Sequential(
        [
            Conv2D(4, (3, 3), padding="same", input_shape=x.shape[1:], activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dense(10, activation="softmax"),
        ]
    )
    opt = keras.optimizers.RMSprop(lr=0.0001, decay=1e-6)
    m.compile(loss="categorical_crossentropy", optimizer=opt, metrics=["accuracy"])
    h = m.fit_generator(
        g.flow(x, y, batch_size=8),
        epochs=1,
        steps_per_epoch=2,
        validation_data=(x, y),
        workers=4,
        verbose=0,
    )
    h.history["acc"] if "acc" in h.history else h.history["accuracy"]


def test_sgd_momentum():
    from pyseq.layers.core import Dense
    from pyseq.models import Sequential
    from pyseq.optimizers import SGD

    m = Sequential()
    m.add(Dense(12, input_dim=8, init="uniform", activation="relu"))
    m.add(Dense(1, init="uniform", activation="sigmoid"))
    sgd = SGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)
    m.compile(loss="binary_crossentropy", optimizer=sgd, metrics=["accuracy"])
    x = np.random.rand(30, 8)
    y = np.random.randint(0, 2, 30)
    m.fit(x, y, nb_epoch=2, batch_size=10, verbose=0)
    m.evaluate(x, y, verbose=0)
    m.save("sc_m.h5")
    from pyseq.models import load_model, model_from_json

    load_model("sc_m.h5").predict(x)
    m.save_weights("sc_w.h5")
    n = model_from_json(m.to_json())
    n.load_weights("sc_w.h5")


def test_sklearn_wrap():
    pytest.importorskip("sklearn")
    from pyseq.wrappers.scikit_learn import KerasClassifier
    from sklearn.model_selection import GridSearchCV, cross_val_score

    from pyseq.layers import Dense
    from pyseq.models import Sequential

    def create(optimizer="rmsprop", init="glorot_uniform"):
        m = Sequential()
        m.add(Dense(12, input_dim=8, kernel_initializer=init, activation="relu"))
        m.add(Dense(1, activation="sigmoid"))
        m.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return m

    x = np.random.rand(30, 8)
    y = np.random.randint(0, 2, 30)
    cross_val_score(
        KerasClassifier(build_fn=create, epochs=1, batch_size=10, verbose=0), x, y, cv=2
    )
    GridSearchCV(
        KerasClassifier(build_fn=create, verbose=0),
        dict(optimizer=["adam"], epochs=[1], batch_size=[5]),
        cv=2,
    ).fit(x, y)


def test_tf_style():
    from pyseq.compat.tensorflow.keras import layers

    import pyseq.compat.tensorflow as tf

    tf.random.set_seed(1)
    ds = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(60).batch(16).prefetch(tf.data.AUTOTUNE)
    m = tf.keras.Sequential(
        [
            tf.keras.layers.Flatten(input_shape=(28, 28, 1)),
            layers.Dense(16, activation=tf.nn.relu),
            layers.Dense(10),
        ]
    )
    m.compile(
        optimizer="adam",
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    m.fit(ds, epochs=1, verbose=0)
    p = tf.nn.softmax(m(X[:1])).numpy()
    tf.argmax(p, axis=1).numpy()


def test_gan():
    from pyseq.layers import BatchNormalization, Dense, Flatten, LeakyReLU, Reshape
    from pyseq.models import Sequential
    from pyseq.optimizers import Adam

    d = Sequential(
        [
            Flatten(input_shape=(28, 28, 1)),
            Dense(16),
            LeakyReLU(alpha=0.2),
            Dense(1, activation="sigmoid"),
        ]
    )
    d.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5), metrics=["accuracy"])
    g = Sequential(
        [
            Dense(16, input_dim=10),
            LeakyReLU(0.2),
            BatchNormalization(momentum=0.8),
            Dense(784, activation="tanh"),
            Reshape((28, 28, 1)),
        ]
    )
    d.trainable = False
    c = Sequential([g, d])
    c.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5))
    for _ in range(2):
        z = np.random.normal(0, 1, (8, 10))
        f = g.predict(z, verbose=0)
        a = d.train_on_batch(X[:8], np.ones((8, 1)))
        b = d.train_on_batch(f, np.zeros((8, 1)))
        0.5 * np.add(a, b)
        c.train_on_batch(z, np.ones((8, 1)))


def test_tokenizer():
    from pyseq.layers import Bidirectional, CuDNNLSTM, Dense, Embedding, SpatialDropout1D
    from pyseq.models import Sequential
    from pyseq.preprocessing.sequence import pad_sequences
    from pyseq.preprocessing.text import Tokenizer

    t = Tokenizer(num_words=100, split=" ")
    tx = ["good movie really", "bad film not good"] * 10
    t.fit_on_texts(tx)
    x = pad_sequences(t.texts_to_sequences(tx))
    m = Sequential()
    m.add(Embedding(100, 8, input_length=x.shape[1]))
    m.add(SpatialDropout1D(0.4))
    m.add(Bidirectional(CuDNNLSTM(8)))
    m.add(Dense(2, activation="softmax"))
    m.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["acc"])
    y = np.eye(2)[[0, 1] * 10]
    h = m.fit(x, y, epochs=1, batch_size=4, verbose=0)
    h.history["acc"]


def test_autoencoder():
    from pyseq.layers import Dense, Input
    from pyseq.models import Model

    i = Input(shape=(784,))
    e = Dense(32, activation="relu")(i)
    o = Dense(784, activation="sigmoid")(e)
    m = Model(i, o)
    enc = Model(i, e)
    m.compile(optimizer="adadelta", loss="binary_crossentropy")
    x = X.reshape(60, 784)
    m.fit(x, x, epochs=1, batch_size=16, shuffle=True, validation_data=(x, x), verbose=0)
    enc.predict(x)


def test_checkpoint_old():
    from pyseq.callbacks import (
        EarlyStopping,
        LearningRateScheduler,
        ModelCheckpoint,
        ReduceLROnPlateau,
    )
    from pyseq.layers import Dense
    from pyseq.models import Sequential

    x = np.random.rand(30, 8)
    y = np.random.randint(0, 2, 30)
    m = Sequential([Dense(4, input_shape=(8,), activation="relu"), Dense(1, activation="sigmoid")])
    m.compile("adam", "binary_crossentropy", ["acc"])
    d = "."
    m.fit(
        x,
        y,
        validation_split=0.2,
        epochs=2,
        verbose=0,
        callbacks=[
            ModelCheckpoint(
                d + "/w-{epoch:02d}-{val_acc:.2f}.hdf5",
                monitor="val_acc",
                save_best_only=True,
                mode="max",
                period=1,
            ),
            EarlyStopping(monitor="val_loss", patience=1, min_delta=0, verbose=0),
            ReduceLROnPlateau(factor=0.5),
            LearningRateScheduler(lambda e: 0.01),
        ],
    )
    m.save(d + "/final")


def test_ts_multi():
    from pyseq.layers import LSTM, Dense
    from pyseq.models import Sequential
    from pyseq.preprocessing.sequence import TimeseriesGenerator

    s_ = np.arange(40.0).reshape(-1, 1)
    g = TimeseriesGenerator(s_, s_, length=4, batch_size=5)
    m = Sequential()
    m.add(LSTM(8, activation="relu", input_shape=(4, 1)))
    m.add(Dense(1))
    m.compile("adam", "mse")
    m.fit_generator(g, steps_per_epoch=2, epochs=1, verbose=0)
    m.predict(s_[:4].reshape(1, 4, 1))


def test_backend_functions():
    from pyseq import backend as K
    from pyseq.layers import Dense, Lambda
    from pyseq.models import Sequential

    def rmse(a, b):
        return K.sqrt(K.mean(K.square(b - a), axis=-1))

    def r2(a, b):
        return 1 - K.sum(K.square(a - b)) / (K.sum(K.square(a - K.mean(a))) + K.epsilon())

    m = Sequential([Dense(4, input_dim=3), Lambda(lambda x: K.l2_normalize(x, axis=1)), Dense(1)])
    m.compile(loss=rmse, optimizer="adam", metrics=[r2])
    m.fit(np.random.rand(20, 3), np.random.rand(20), verbose=0)
    K.clear_session()
    f = K.function([m.layers[0].input], [m.layers[1].output])
    f([np.random.rand(2, 3)])[0]
    K.get_value(m.optimizer.lr)
    K.set_value(m.optimizer.lr, 0.01)


def test_install_keras():
    import pyseq.compat as c

    c.install(replace=True)
    try:
        from keras.layers.core import Dense
        from keras.models import Sequential
        from tensorflow.keras.optimizers import Adam

        m = Sequential([Dense(1, input_shape=(3,))])
        m.compile(Adam(learning_rate=0.01), "mse")
        m.fit(np.ones((4, 3)), np.ones(4), verbose=0)
        assert m.__module__.startswith("pyseq")
    finally:
        c.uninstall()


def test_old_merge_imports():
    from pyseq.layers.advanced_activations import PReLU

    from pyseq.constraints import maxnorm
    from pyseq.layers import Conv2D, Dense
    from pyseq.layers.normalization import BatchNormalization
    from pyseq.layers.pooling import GlobalAveragePooling2D
    from pyseq.models import Sequential
    from pyseq.regularizers import l2

    m = Sequential(
        [
            Dense(4, input_dim=3, W_regularizer=l2(0.01), W_constraint=maxnorm(3)),
            BatchNormalization(),
            PReLU(),
        ]
    )
    m.compile("sgd", "mse")
    m.fit(np.ones((8, 3)), np.ones((8, 4)), verbose=0)
    m = Sequential(
        [Conv2D(4, 3, input_shape=(8, 8, 1)), PReLU(shared_axes=[1, 2]), GlobalAveragePooling2D()]
    )
    m.predict(np.ones((1, 8, 8, 1)), verbose=0)


def test_chargen():
    from pyseq.callbacks import LambdaCallback
    from pyseq.layers import LSTM, Activation, Dense
    from pyseq.models import Sequential
    from pyseq.optimizers import RMSprop

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


def test_stateful():
    from pyseq.layers import LSTM, Dense
    from pyseq.models import Sequential

    m = Sequential()
    m.add(LSTM(4, batch_input_shape=(1, 1, 1), stateful=True))
    m.add(Dense(1))
    m.compile(loss="mean_squared_error", optimizer="adam")
    for _i in range(2):
        m.fit(
            np.random.rand(6, 1, 1),
            np.random.rand(6, 1),
            epochs=1,
            batch_size=1,
            verbose=0,
            shuffle=False,
        )
        m.reset_states()


def test_vgg_like():
    from pyseq.layers.convolutional import Convolution2D, MaxPooling2D, ZeroPadding2D

    from pyseq.layers.core import Dense, Flatten
    from pyseq.models import Sequential

    m = Sequential()
    m.add(ZeroPadding2D((1, 1), input_shape=(3, 32, 32), dim_ordering="th"))
    m.add(Convolution2D(4, 3, 3, activation="relu", dim_ordering="th"))
    m.add(MaxPooling2D((2, 2), strides=(2, 2), dim_ordering="th"))
    m.add(Flatten())
    m.add(Dense(10, activation="softmax"))
    m.compile("sgd", "categorical_crossentropy")
    m.predict(np.zeros((2, 3, 32, 32)), verbose=0)


def test_th_ordering():
    from pyseq import backend as K

    K.set_image_dim_ordering("th")
    try:
        from pyseq.layers import Conv2D, Dense, Flatten, MaxPooling2D
        from pyseq.models import Sequential

        m = Sequential(
            [
                Conv2D(4, (5, 5), input_shape=(1, 28, 28), activation="relu"),
                MaxPooling2D(pool_size=(2, 2)),
                Flatten(),
                Dense(10, activation="softmax"),
            ]
        )
        m.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        m.fit(X.reshape(60, 1, 28, 28), np.eye(10)[Y], epochs=1, verbose=0)
    finally:
        K.set_image_dim_ordering("tf")


def test_tf2_quick():
    from pyseq.compat import install, uninstall

    install(replace=True)
    try:
        import tensorflow as tf
        from tensorflow import keras
        from tensorflow.keras import layers

        assert tf.__version__ and tf.config.list_physical_devices("GPU") == []
        m = keras.Sequential(
            [layers.Dense(64, activation="relu", input_shape=[9]), layers.Dense(1)]
        )
        m.compile(loss="mse", optimizer=tf.keras.optimizers.RMSprop(0.001), metrics=["mae", "mse"])
        h = m.fit(
            np.random.rand(30, 9),
            np.random.rand(30),
            epochs=2,
            validation_split=0.2,
            verbose=0,
            callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss", patience=10)],
        )
        h.history["val_mae"]
        _loss, _mae, _mse = m.evaluate(np.random.rand(30, 9), np.random.rand(30), verbose=2)
        m.predict(np.random.rand(3, 9)).flatten()
        norm = layers.Normalization(axis=-1)
        norm.adapt(np.random.rand(30, 9))
        keras.Sequential([norm, layers.Dense(1)]).predict(np.random.rand(2, 9), verbose=0)
    finally:
        uninstall()


def test_custom_layer_tf():
    import pyseq.compat.tensorflow as tf

    class MyDense(tf.keras.layers.Layer):
        def __init__(self, n):
            super().__init__()
            self.n = n

        def build(self, s):
            self.kernel = self.add_weight("kernel", shape=[int(s[-1]), self.n])

        def call(self, i):
            return tf.matmul(i, self.kernel)

    m = tf.keras.Sequential(
        [MyDense(4), tf.keras.layers.Lambda(lambda x: tf.nn.relu(x)), tf.keras.layers.Dense(1)]
    )
    m.compile(tf.keras.optimizers.Adam(1e-3), loss=lambda a, b: tf.reduce_mean(tf.square(a - b)))
    m.fit(np.random.rand(20, 3), np.random.rand(20, 1), verbose=0)


def test_imdb_cnn():
    from pyseq.layers import Activation, Conv1D, Dense, Dropout, Embedding, GlobalMaxPooling1D
    from pyseq.models import Sequential

    m = Sequential()
    m.add(Embedding(100, 10, input_length=20))
    m.add(Dropout(0.2))
    m.add(Conv1D(8, 3, padding="valid", activation="relu", strides=1))
    m.add(GlobalMaxPooling1D())
    m.add(Dense(8))
    m.add(Activation("relu"))
    m.add(Dense(1))
    m.add(Activation("sigmoid"))
    m.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    m.fit(
        np.random.randint(0, 100, (20, 20)),
        np.random.randint(0, 2, 20),
        batch_size=8,
        epochs=1,
        validation_data=(np.random.randint(0, 100, (20, 20)), np.random.randint(0, 2, 20)),
        verbose=0,
    )
    m.summary()


def test_glove():
    from pyseq.layers import Dense, Embedding, Flatten
    from pyseq.models import Sequential

    E = np.random.rand(50, 10)
    m = Sequential()
    m.add(Embedding(50, 10, weights=[E], input_length=4, trainable=False))
    m.add(Flatten())
    m.add(Dense(1, activation="sigmoid"))
    m.compile("adam", "binary_crossentropy", metrics=["acc"])
    m.fit(np.random.randint(0, 50, (8, 4)), np.random.randint(0, 2, 8), verbose=0)
    assert np.allclose(m.layers[0].get_weights()[0], E)


def test_lr_sched():
    from pyseq import backend as K
    from pyseq.callbacks import Callback, LearningRateScheduler
    from pyseq.layers import Dense
    from pyseq.models import Sequential
    from pyseq.optimizers import SGD

    class H(Callback):
        def on_train_begin(self, logs=None):
            if logs is None:
                logs = {}
            self.losses = []
            self.lr = []

        def on_batch_end(self, batch, logs=None):
            if logs is None:
                logs = {}
            self.losses.append(logs.get("loss"))

        def on_epoch_end(self, e, logs=None):
            if logs is None:
                logs = {}
            self.lr.append(
                K.get_value(self.model.optimizer.lr)
                * (
                    1.0
                    / (
                        1.0
                        + K.get_value(self.model.optimizer.decay)
                        * K.get_value(self.model.optimizer.iterations)
                    )
                )
            ) if hasattr(self.model.optimizer, "decay") else self.lr.append(
                K.get_value(self.model.optimizer.lr)
            )

    h = H()
    m = Sequential([Dense(1, input_dim=3)])
    m.compile(loss="mse", optimizer=SGD(lr=0.0, momentum=0.9, decay=0.0))
    m.fit(
        np.random.rand(20, 3),
        np.random.rand(20),
        epochs=2,
        verbose=0,
        callbacks=[h, LearningRateScheduler(lambda e: 0.1 * 0.5**e)],
    )
    assert len(h.losses) == 2


def test_regress_sk():
    pytest.importorskip("sklearn")
    from pyseq.wrappers.scikit_learn import KerasRegressor
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from pyseq.layers import Dense
    from pyseq.models import Sequential

    def base():
        m = Sequential()
        m.add(Dense(13, input_dim=13, kernel_initializer="normal", activation="relu"))
        m.add(Dense(1, kernel_initializer="normal"))
        m.compile(loss="mean_squared_error", optimizer="adam")
        return m

    p = Pipeline(
        [
            ("standardize", StandardScaler()),
            ("mlp", KerasRegressor(build_fn=base, epochs=1, batch_size=5, verbose=0)),
        ]
    )
    r = cross_val_score(p, np.random.rand(20, 13), np.random.rand(20), cv=KFold(n_splits=2))
    r.mean()


def test_denoise():
    from pyseq.layers import Conv2D, MaxPooling2D, UpSampling2D
    from pyseq.models import Model, Sequential, load_model

    m = Sequential(
        [
            Conv2D(4, (3, 3), activation="relu", padding="same", input_shape=(28, 28, 1)),
            MaxPooling2D((2, 2), padding="same"),
            Conv2D(4, (3, 3), activation="relu", padding="same"),
            UpSampling2D((2, 2)),
            Conv2D(1, (3, 3), activation="sigmoid", padding="same"),
        ]
    )
    m.compile("adadelta", "binary_crossentropy")
    m.fit(X, X, epochs=1, batch_size=30, verbose=0)
    e = Model(m.input, m.layers[1].output)
    e.predict(X, verbose=0)
    m.save("a.hdf5")
    load_model("a.hdf5")


def test_bn_gen():
    import pyseq as keras

    def gen():
        while True:
            yield np.random.rand(4, 3), np.random.rand(4, 1)

    m = keras.models.Sequential()
    m.add(keras.layers.Dense(8, input_shape=(3,), kernel_regularizer=keras.regularizers.l2(0.01)))
    m.add(keras.layers.BatchNormalization())
    m.add(keras.layers.Activation("elu"))
    m.add(keras.layers.Dense(1))
    m.compile(optimizer=keras.optimizers.Adam(lr=1e-3, clipnorm=1.0), loss="mae")
    m.fit_generator(
        gen(), samples_per_epoch=12, nb_epoch=1, validation_data=gen(), nb_val_samples=4, verbose=0
    )
    m.evaluate_generator(gen(), 2)
    m.predict_generator(gen(), 2)


def test_mean_ctc():
    import pyseq as keras

    m = keras.Sequential(
        [
            keras.layers.TimeDistributed(keras.layers.Dense(4), input_shape=(5, 3)),
            keras.layers.Bidirectional(
                keras.layers.GRU(4, return_sequences=True), merge_mode="concat"
            ),
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
