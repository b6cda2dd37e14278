# tf.keras: images normalized and augmented in a pipeline, fine-tuned with a callback
import numpy as np
import tensorflow as tf

AUTOTUNE = tf.data.experimental.AUTOTUNE
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (40, 12, 12, 3)).astype("uint8")
labels = rng.integers(0, 5, 40)


def normalize_img(image, label):
    return tf.cast(image, tf.float32) / 255.0, label


def augment(image, label):
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, 0.1)
    return image, label


ds = tf.data.Dataset.from_tensor_slices((images, labels))
train = ds.take(32).map(normalize_img, num_parallel_calls=AUTOTUNE).cache()
train = train.map(augment).shuffle(32).batch(8).repeat().prefetch(AUTOTUNE)
test = ds.skip(32).map(normalize_img).batch(8)
model = tf.keras.models.Sequential(
    [
        tf.keras.layers.InputLayer(input_shape=(12, 12, 3)),
        tf.keras.layers.Conv2D(4, 3, activation="relu"),
        tf.keras.layers.GlobalAveragePooling2D(),
        tf.keras.layers.Dense(5),
    ]
)
model.compile(
    optimizer=tf.keras.optimizers.legacy.Adam(0.001),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[tf.keras.metrics.SparseCategoricalAccuracy()],
)
history = model.fit(
    train,
    steps_per_epoch=4,
    epochs=2,
    validation_data=test,
    verbose=0,
    callbacks=[tf.keras.callbacks.TensorBoard(log_dir="logs", histogram_freq=1)],
)
assert "val_sparse_categorical_accuracy" in history.history
predictions = tf.nn.softmax(model.predict(test, verbose=0))
assert tf.reduce_sum(predictions, axis=1).numpy().round(3).tolist() == [1.0] * 8
