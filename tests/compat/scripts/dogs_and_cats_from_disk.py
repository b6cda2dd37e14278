# Keras 2: images of a folder through flow_from_directory
import os

import numpy as np
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.optimizers import RMSprop
from keras.preprocessing.image import ImageDataGenerator
from PIL import Image

rng = np.random.default_rng(0)
for part, count in [("train", 8), ("validation", 4)]:
    for kind in ("cats", "dogs"):
        os.makedirs(f"data/{part}/{kind}")
        for i in range(count):
            pixels = rng.integers(0, 256, (24, 20, 3)).astype("uint8")
            Image.fromarray(pixels).save(f"data/{part}/{kind}/{i}.png")

train_datagen = ImageDataGenerator(
    rescale=1.0 / 255, rotation_range=40, shear_range=0.2, zoom_range=0.2, fill_mode="nearest"
)
test_datagen = ImageDataGenerator(rescale=1.0 / 255)
train_generator = train_datagen.flow_from_directory(
    "data/train", target_size=(16, 16), batch_size=4, class_mode="binary"
)
validation_generator = test_datagen.flow_from_directory(
    "data/validation", target_size=(16, 16), batch_size=4, class_mode="binary"
)
for data_batch, labels_batch in train_generator:
    assert data_batch.shape == (4, 16, 16, 3) and labels_batch.shape == (4,)
    break
model = Sequential()
model.add(Conv2D(4, (3, 3), activation="relu", input_shape=(16, 16, 3)))
model.add(MaxPooling2D((2, 2)))
model.add(Flatten())
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer=RMSprop(lr=1e-4), metrics=["acc"])
history = model.fit_generator(
    train_generator,
    steps_per_epoch=4,
    epochs=2,
    validation_data=validation_generator,
    validation_steps=2,
    verbose=0,
)
assert sorted(history.history) == ["acc", "loss", "val_acc", "val_loss"]
assert train_generator.class_indices == {"cats": 0, "dogs": 1}
