# Keras 2: a Dice loss of backend functions, loaded again by custom_objects
import numpy as np
from keras import backend as K
from keras.layers import Conv2D, Conv2DTranspose, MaxPooling2D
from keras.models import Sequential, load_model
from keras.optimizers import Adam

smooth = 1.0


def dice_coef(y_true, y_pred):
    y_true_f = K.flatten(y_true)
    y_pred_f = K.flatten(y_pred)
    intersection = K.sum(y_true_f * y_pred_f)
    return (2.0 * intersection + smooth) / (K.sum(y_true_f) + K.sum(y_pred_f) + smooth)


def dice_coef_loss(y_true, y_pred):
    return -dice_coef(y_true, y_pred)


rng = np.random.default_rng(0)
x = rng.random((8, 8, 8, 1)).astype("float32")
y = (x > 0.5).astype("float32")
model = Sequential()
model.add(Conv2D(4, (3, 3), activation="relu", padding="same", input_shape=(8, 8, 1)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Conv2DTranspose(4, (2, 2), strides=(2, 2), padding="same"))
model.add(Conv2D(1, (1, 1), activation="sigmoid"))
model.compile(optimizer=Adam(lr=1e-2), loss=dice_coef_loss, metrics=[dice_coef])
history = model.fit(x, y, batch_size=4, epochs=3, verbose=0)
model.save("dice.h5")
again = load_model(
    "dice.h5", custom_objects={"dice_coef_loss": dice_coef_loss, "dice_coef": dice_coef}
)
np.testing.assert_allclose(again.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), 1e-4)
