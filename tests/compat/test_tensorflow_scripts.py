"""Scripts in the manner of the tutorials of tf.keras, on small made data."""

import logging
import re
import string

import numpy as np
import pytest
from pyseq.compat.tensorflow.keras import layers

from pyseq import results
from pyseq.compat import tensorflow as tf
from pyseq.compat.tensorflow._tensors import as_tensor

keras = tf.keras


@pytest.fixture(autouse=True)
def tensors():
    results.hand_out(as_tensor)
    tf.random.set_seed(1)
    yield
    results.hand_out(None)


def digits(n=96, size=8):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, n)
    x = rng.integers(0, 60, (n, size, size)).astype("uint8")
    for image, label in zip(x, y, strict=True):
        image[label * 2 : label * 2 + 2] += 180
    return x, y


def test_beginner_quickstart():
    x, y = digits()
    x = x / 255.0
    model = tf.keras.models.Sequential(
        [
            tf.keras.layers.Flatten(input_shape=(8, 8)),
            tf.keras.layers.Dense(32, activation="relu"),
            tf.keras.layers.Dropout(0.2),
            tf.keras.layers.Dense(4),
        ]
    )
    predictions = model(x[:1]).numpy()
    assert predictions.shape == (1, 4)
    assert tf.nn.softmax(predictions).numpy().sum() == pytest.approx(1)
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert 0 < loss_fn(y[:1], predictions).numpy() < 10
    model.compile(optimizer="adam", loss=loss_fn, metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    probability_model = tf.keras.Sequential([model, tf.keras.layers.Softmax()])
    probabilities = probability_model(x[:5])
    assert tf.reduce_sum(probabilities, axis=1).numpy() == pytest.approx(np.ones(5), rel=1e-5)
    assert np.argmax(probabilities[0]) == tf.argmax(probabilities, axis=1)[0].numpy()


def test_convolutions_on_a_pipeline():
    x, y = digits()

    def scale(image, label):
        return tf.cast(image, tf.float32) / 255.0, tf.one_hot(label, 4)

    data = tf.data.Dataset.from_tensor_slices((x[..., tf.newaxis], y))
    train = data.map(scale, num_parallel_calls=tf.data.AUTOTUNE).cache().shuffle(96)
    train = train.batch(16).prefetch(tf.data.experimental.AUTOTUNE)
    assert tf.data.experimental.cardinality(train).numpy() == 6
    for images, labels in train.take(1):
        assert images.shape.as_list() == [16, 8, 8, 1] and labels.numpy().sum() == 16
    model = keras.Sequential(
        [
            layers.Conv2D(8, 3, activation=tf.nn.relu, input_shape=(8, 8, 1)),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(4, activation=tf.nn.softmax),
        ]
    )
    assert model.layers[0].get_config()["activation"] == "relu"
    assert model.layers[-1].activation is keras.activations.softmax
    model.compile(tf.keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    assert model.fit(train, epochs=8, verbose=0).history["accuracy"][-1] > 0.9
    assert model.evaluate(train, verbose=0)[1] > 0.9
    labels = np.concatenate([y.numpy() for _, y in train.take(2)], axis=0)
    assert labels.shape == (32, 4)
    matrix = tf.math.confusion_matrix(y, tf.argmax(model.predict(x[..., None] / 255, verbose=0), 1))
    assert matrix.shape.as_list() == [4, 4] and tf.linalg.trace(matrix) > 80


def test_texts():
    texts = ["Good, nice<br />film!", "bad BAD film", "nice, nice", "a bad one"] * 6
    labels = [1, 0, 1, 0] * 6
    raw = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(8)

    def custom_standardization(input_data):
        lowercase = tf.strings.lower(input_data)
        stripped = tf.strings.regex_replace(lowercase, "<br />", " ")
        return tf.strings.regex_replace(stripped, f"[{re.escape(string.punctuation)}]", "")

    vectorize = layers.TextVectorization(
        standardize=custom_standardization, max_tokens=20, output_sequence_length=4
    )
    vectorize.adapt(raw.map(lambda x, y: x))
    assert set(vectorize.get_vocabulary()[2:5]) == {"bad", "nice", "film"}

    def vectorize_text(text, label):
        text = tf.expand_dims(text, -1)
        return vectorize(text), label

    text_batch, label_batch = next(iter(raw))
    assert text_batch[0].numpy().decode("utf-8") == "Good, nice<br />film!"
    first, _ = vectorize_text(text_batch[0], label_batch[0])
    assert first.shape.as_list() == [1, 4] and first.numpy()[0, 3] == 0
    train = raw.map(vectorize_text).cache().prefetch(buffer_size=tf.data.AUTOTUNE)
    model = keras.Sequential(
        [layers.Embedding(21, 4), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    )
    model.compile(
        loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(0.1),
        metrics=[tf.metrics.BinaryAccuracy(threshold=0.0)],
    )
    history = model.fit(train, epochs=10, verbose=0).history
    assert history["binary_accuracy"][-1] == 1


def test_windows_of_a_series():
    series = np.sin(np.arange(80) / 5).astype("float32")

    def windowed_dataset(series, window_size, batch_size, shuffle_buffer):
        series = tf.expand_dims(series, axis=-1)
        ds = tf.data.Dataset.from_tensor_slices(series)
        ds = ds.window(window_size + 1, shift=1, drop_remainder=True)
        ds = ds.flat_map(lambda w: w.batch(window_size + 1))
        ds = ds.shuffle(shuffle_buffer)
        ds = ds.map(lambda w: (w[:-1], w[1:]))
        return ds.batch(batch_size).prefetch(1)

    train = windowed_dataset(series, 8, 16, 50)
    x, y = next(iter(train))
    assert (x.shape.as_list(), y.shape.as_list()) == ([16, 8, 1], [16, 8, 1])
    assert x[0, 1].numpy() == y[0, 0].numpy()
    model = tf.keras.models.Sequential(
        [
            tf.keras.layers.Lambda(lambda x: x * 1.0, input_shape=[None, 1]),
            tf.keras.layers.LSTM(8, return_sequences=True),
            tf.keras.layers.Dense(1),
            tf.keras.layers.Lambda(lambda x: x * tf.constant(2.0)),
        ]
    )
    model.compile(loss=tf.keras.losses.Huber(), optimizer=tf.keras.optimizers.Adam(0.02))
    losses = model.fit(train, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    forecast = model.predict(series[np.newaxis, :, np.newaxis], verbose=0)
    assert tf.squeeze(forecast).shape == (80,)


def test_augmentation_within_and_before_a_model():
    x, y = digits(32)

    def augment(image, label):
        image = tf.image.convert_image_dtype(image, tf.float32)
        image = tf.image.resize_with_crop_or_pad(image, 10, 10)
        image = tf.image.random_crop(image, size=[8, 8, 1])
        image = tf.image.random_brightness(image, max_delta=0.1)
        return tf.clip_by_value(image, 0, 1), label

    train = tf.data.Dataset.from_tensor_slices((x[..., None], y)).map(augment).batch(8)
    data_augmentation = keras.Sequential(
        [layers.RandomFlip("horizontal", input_shape=(8, 8, 1)), layers.RandomRotation(0.05)]
    )
    augmented = data_augmentation(tf.zeros((2, 8, 8, 1)), training=True)
    assert augmented.numpy().shape == (2, 8, 8, 1)
    model = keras.Sequential([data_augmentation, layers.Flatten(), layers.Dense(4)])
    model.compile("sgd", tf.losses.SparseCategoricalCrossentropy(from_logits=True))
    first, *_, last = model.fit(train, epochs=10, verbose=0).history["loss"]
    assert last < first


def test_activation_and_loss_of_ones_own():
    def swish_like(x):
        return x * tf.nn.sigmoid(x) + tf.math.softplus(x) * 0.0

    def smooth_mae(y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        error = tf.abs(y_true - y_pred)
        small = tf.less(error, 1.0)
        return tf.reduce_mean(tf.where(small, 0.5 * tf.square(error), error - 0.5), axis=-1)

    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    y = x @ np.float32([[1], [2], [-1]])
    model = keras.Sequential([layers.Dense(8, activation=swish_like), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.RMSprop(0.02), loss=smooth_mae, metrics=["mae"])
    history = model.fit(x, y, epochs=15, verbose=0).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    by_hand = smooth_mae(tf.constant(y), model(x))
    assert by_hand.shape == (64,)
    assert tf.reduce_mean(by_hand).numpy() == pytest.approx(
        model.evaluate(x, y, verbose=0)[0], 1e-4
    )


def test_layer_of_ones_own():
    class Linear(keras.layers.Layer):
        def __init__(self, units=4):
            super().__init__()
            self.units = units

        def build(self, input_shape):
            sizes = tf.TensorShape(input_shape).as_list()
            init = tf.initializers.GlorotUniform()
            self.w = self.add_weight(shape=(sizes[-1], self.units), initializer=init)
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

        def call(self, inputs):
            y = tf.matmul(inputs, self.w) + self.b
            return tf.concat([y, tf.nn.relu(y)], axis=-1)

    x = tf.random.normal((32, 3))
    y = tf.reduce_sum(x, axis=1, keepdims=True)
    layer = Linear(2)
    by_hand = layer(x)
    assert by_hand.shape.as_list() == [32, 4] and len(layer.trainable_weights) == 2
    assert (by_hand[:, 2:].numpy() == np.maximum(by_hand[:, :2], 0)).all()
    model = keras.Sequential([layer, layers.Dense(1)])
    model.compile("adam", "mse")
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=10, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before


def test_callbacks():
    class Stop(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if logs.get("loss") < 0.5:
                self.model.stop_training = True

    x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    model = tf.keras.Sequential([tf.keras.layers.Dense(units=1, input_shape=[1])])
    model.compile(optimizer=tf.keras.optimizers.SGD(0.1), loss="mean_squared_error")
    schedule = tf.keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate * tf.math.exp(-0.1) if epoch > 2 else rate
    )
    early = tf.keras.callbacks.EarlyStopping(monitor="loss", patience=3)
    history = model.fit(x, 2 * x - 1, epochs=60, verbose=0, callbacks=[Stop(), schedule, early])
    assert len(history.epoch) < 60 and history.history["loss"][-1] < 0.5


def test_saving(tmp_path):
    x, y = digits(32)
    model = keras.Sequential(
        [layers.Flatten(input_shape=(8, 8)), layers.Dense(4, activation=tf.nn.softmax)]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    path = str(tmp_path / "cp.weights.h5")
    checkpoint = tf.keras.callbacks.ModelCheckpoint(path, save_weights_only=True, verbose=0)
    model.fit(x / 255, y, epochs=2, callbacks=[checkpoint], verbose=0)
    assert tf.io.gfile.exists(path)
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(x / 255).numpy(), model(x / 255).numpy())
    again.load_weights(path)
    np.testing.assert_array_equal(again(x / 255).numpy(), model(x / 255).numpy())


def test_files_of_images(tmp_path):
    pytest.importorskip("PIL")
    for number, kind in enumerate(["cat", "dog"] * 4):
        image = np.full((6, 5, 3), 20 + 200 * (kind == "dog"), "uint8")
        tf.io.write_file(f"{tmp_path}/{kind}/{number}.png", tf.io.encode_png(image))
    class_names = sorted(tf.io.gfile.listdir(str(tmp_path)))

    def process(path):
        parts = tf.strings.split(path, "/")
        label = tf.argmax(tf.cast(parts[-2] == class_names, tf.int32))
        image = tf.io.decode_png(tf.io.read_file(path), channels=3)
        return tf.image.resize(image, [4, 4]) / 255.0, label

    files = tf.data.Dataset.list_files(f"{tmp_path}/*/*.png", shuffle=False)
    data = files.map(process)
    images, labels = next(iter(data.batch(8)))
    assert images.shape == (8, 4, 4, 3) and labels.numpy().tolist() == [0] * 4 + [1] * 4
    folder = tf.keras.utils.image_dataset_from_directory(
        str(tmp_path), image_size=(4, 4), batch_size=8, seed=1, verbose=False
    )
    assert isinstance(folder, tf.data.Dataset) and folder.class_names == class_names
    for image_batch, labels_batch in folder.take(1):
        assert image_batch[0].numpy().astype("uint8").max() in (20, 220)
        assert class_names[labels_batch[0]] in class_names
    model = keras.Sequential(
        [layers.Lambda(lambda x: tf.image.resize(x, (2, 2))), layers.Flatten(), layers.Dense(2)]
    )
    model.compile("adam", tf.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.batch(4), epochs=1, verbose=0)
    assert model(images).shape.as_list() == [8, 2]


def test_lines_that_set_up_a_process():
    gpus = tf.config.experimental.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    assert int(tf.__version__.split(".")[0]) >= 2
    config = tf.compat.v1.ConfigProto(log_device_placement=True)
    config.gpu_options.allow_growth = True
    with tf.compat.v1.Session(config=config) as session:
        assert session.run(tf.constant([1, 2])).tolist() == [1, 2]
        session.run(tf.compat.v1.global_variables_initializer())
    level = tf.get_logger().level
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    assert logging.getLogger("tensorflow").level == logging.ERROR
    tf.get_logger().setLevel(level)
    tf.compat.v1.disable_eager_execution()
    assert tf.executing_eagerly()
    strategy = tf.distribute.get_strategy()
    with strategy.scope(), tf.device("/CPU:0"), tf.name_scope("part"):
        model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])
    assert model.count_params() == 3 and tf.keras.backend.floatx() == "float32"

    @tf.function
    def step(x):
        return tf.reduce_sum(x)

    assert step(tf.ones(3)).numpy() == 3


def test_generator_of_elements():
    def numbers():
        for n in range(6):
            yield np.full(n % 3 + 1, n), n % 2

    data = tf.data.Dataset.from_generator(
        numbers,
        output_types=(tf.float32, tf.int32),
        output_shapes=(tf.TensorShape([None]), tf.TensorShape([])),
    )
    padded = data.padded_batch(3, padded_shapes=([3], []))
    rows, labels = next(iter(padded))
    assert rows.dtype == tf.float32 and rows.numpy().tolist() == [[0, 0, 0], [1, 1, 0], [2, 2, 2]]
    assert labels.numpy().tolist() == [0, 1, 0]
    signature = (tf.TensorSpec(shape=(None,), dtype=tf.int64), tf.TensorSpec((), tf.float32))
    data = tf.data.Dataset.from_generator(numbers, output_signature=signature)
    kept = data.filter(lambda x, y: tf.equal(y, 1.0)).enumerate()
    assert [(int(i), x.shape[0], y.numpy()) for i, (x, y) in kept] == [
        (0, 2, 1),
        (1, 1, 1),
        (2, 3, 1),
    ]


# What layers of users do with a batch `(n, 4, 4, 3)` while it is traced.
TRACED = [
    lambda x: tf.gather(x, [0, 1], axis=1),
    lambda x: tf.reduce_mean(x, axis=[1, 2]),
    lambda x: tf.transpose(x, [0, 3, 1, 2]),
    lambda x: tf.reshape(x, [tf.shape(x)[0], -1]),
    lambda x: tf.nn.l2_normalize(x, axis=-1),
    lambda x: tf.expand_dims(x, -1),
    lambda x: tf.where(x > 0, x, tf.zeros_like(x)),
    lambda x: tf.clip_by_value(x, 0, 1),
    lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]),
    lambda x: tf.stack([x, x], axis=1),
    lambda x: tf.concat([x, tf.zeros(tf.shape(x))], -1),
    lambda x: x * tf.random.normal(tf.shape(x)),
    lambda x: x + tf.random.uniform(tf.shape(x)),
    lambda x: tf.split(x, 3, axis=-1)[0] + tf.constant(1.0),
    lambda x: tf.unstack(x, axis=1)[0],
    lambda x: tf.slice(x, [0, 0, 0, 0], [-1, 2, 2, 3]),
    lambda x: tf.cast(tf.argmax(x, -1), tf.float32) + x[..., 0],
    lambda x: tf.image.resize(x, (2, 2)),
    lambda x: tf.image.flip_left_right(x),
    lambda x: tf.image.per_image_standardization(x),
    lambda x: tf.math.cumsum(x, axis=1, exclusive=True),
    lambda x: tf.einsum("nhwc,ck->nhwk", x, tf.ones((3, 2))),
    lambda x: tf.nn.softmax(x) * tf.nn.dropout(x, 0.3),
    lambda x: tf.squeeze(x[:, :1], axis=1),
    lambda x: tf.norm(x, axis=-1),
]


@pytest.mark.parametrize("function", TRACED)
def test_weights_before_traced_code_train(function):
    model = keras.Sequential(
        [
            layers.Dense(3, input_shape=(4, 4, 3)),
            layers.Lambda(function),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(4, 4, 4, 3)).astype("float32")
    before = model.layers[0].kernel.numpy()
    model.fit(x, np.ones((4, 1)), verbose=0)
    assert (model.layers[0].kernel.numpy() != before).any()
    assert model(x).numpy().shape == (4, 1)
