# Keras 2, 3: a table of pandas, split and scaled by scikit-learn, with a confusion matrix
import numpy as np
import pandas as pd
from keras.layers import Dense, Input
from keras.models import Sequential
from keras.utils import to_categorical
from sklearn.metrics import classification_report, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight

rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(90, 4)), columns=["a", "b", "c", "d"])
frame["species"] = np.where(frame["a"] > 0.5, "setosa", np.where(frame["b"] > 0, "virginica", "x"))
X, y = frame.drop(columns="species"), frame["species"]
encoder = LabelEncoder().fit(y)
encoded = encoder.transform(y)
X_train, X_test, y_train, y_test = train_test_split(X, encoded, test_size=0.3, random_state=1)
model = Sequential([Input((4,)), Dense(10, activation="relu"), Dense(3, activation="softmax")])
model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
weights = compute_class_weight("balanced", classes=np.unique(encoded), y=encoded)
history = model.fit(
    X_train,
    to_categorical(y_train),
    epochs=3,
    validation_data=(X_test, to_categorical(y_test)),
    class_weight=dict(enumerate(weights)),
    verbose=0,
)
curves = pd.DataFrame(history.history)
assert list(curves.columns) == ["accuracy", "loss", "val_accuracy", "val_loss"]
predicted = model.predict(X_test, verbose=0).argmax(axis=1)
matrix = confusion_matrix(y_test, predicted, labels=[0, 1, 2])
report = classification_report(y_test, predicted, output_dict=True, zero_division=0)
assert matrix.sum() == len(y_test) and "accuracy" in report
one = model.fit(frame[["a", "b", "c", "d"]], pd.get_dummies(y).astype("float32"), verbose=0)
