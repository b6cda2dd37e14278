# Keras 3: SKLearnClassifier in a pipeline, a grid search and cross validation
import keras
import numpy as np
from keras import layers
from keras.wrappers import SKLearnClassifier, SKLearnRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
X = rng.normal(2, 3, (60, 4))
y = np.array(["no", "yes"])[(X[:, 0] > 2).astype(int)]


def dynamic_model(X, y, loss="categorical_crossentropy", units=4):
    outputs = y.shape[1] if y.ndim > 1 else 1
    model = keras.Sequential(
        [
            keras.Input((X.shape[1],)),
            layers.Dense(units, activation="relu"),
            layers.Dense(outputs, activation="linear" if loss == "mse" else "softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss=loss)
    return model


classifier = SKLearnClassifier(
    model=dynamic_model, model_kwargs={"units": 8}, fit_kwargs={"epochs": 10, "verbose": 0}
)
pipe = make_pipeline(StandardScaler(), classifier)
pipe.fit(X, y)
predicted = pipe.predict(X)
accuracy = np.mean(predicted.ravel() == y)
assert accuracy > 0.7
scores = cross_val_score(pipe, X, y, cv=2)
regressor = SKLearnRegressor(
    dynamic_model, model_kwargs={"loss": "mse"}, fit_kwargs={"epochs": 2, "verbose": 0}
)
grid = GridSearchCV(
    regressor, {"model_kwargs": [{"loss": "mse", "units": n} for n in (2, 4)]}, cv=2
)
grid.fit(X, X[:, 0])
assert grid.best_params_["model_kwargs"]["units"] in (2, 4)
