"""What scripts of Keras 2 lean on beside names: lists as data, names of logs, places of imports."""

import pickle
import sys

import numpy as np
import pytest

import pyseq
from pyseq import layers

pytestmark = pytest.mark.filterwarnings("ignore::pyseq.compat.notices.CompatNotice")


def line(features=1, **compiled):
    model = pyseq.Sequential([pyseq.Input((features,)), layers.Dense(1, activation="sigmoid")])
    model.compile(**{"loss": "mse", "optimizer": "sgd", **compiled})
    return model


@pytest.mark.parametrize(
    "rows",
    [[4], [[4.0]], [1, 2, 3], (1, 2.5), [np.float32(2), 3], [[1], [2]]],
)
def test_predict_reads_lists_of_numbers(rows):
    model = line()
    expected = model.predict(np.array(rows, "float32").reshape(-1, 1), verbose=0)
    np.testing.assert_array_equal(model.predict(rows, verbose=0), expected)


def test_one_row_of_several_features():
    model = line(3)
    expected = model.predict(np.array([[1.0, 2.0, 3.0]]), verbose=0)
    np.testing.assert_array_equal(model.predict([[1, 2, 3]], verbose=0), expected)
    np.testing.assert_array_equal(model.predict([np.array([[1, 2, 3]])], verbose=0), expected)


def test_fit_and_evaluate_read_lists_of_numbers():
    x, y, weights = [[1.0, 2.0], [3.0, 4.0], [0.5, 1.0]], [1, 0, 1], [1.0, 2.0, 1.0]
    lists, arrays = line(2), line(2)
    arrays.set_weights(lists.get_weights())
    kept = {"verbose": 0, "shuffle": False, "epochs": 2}
    a = lists.fit(x, y, sample_weight=weights, validation_data=(x, y), **kept)
    x, y, weights = np.array(x), np.array(y), np.array(weights)
    b = arrays.fit(x, y, sample_weight=weights, validation_data=(x, y), **kept)
    assert a.history == b.history
    assert lists.evaluate(x.tolist(), y.tolist(), verbose=0) == arrays.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("recorded, old", [("accuracy", "acc"), ("acc", "accuracy")])
def test_history_answers_to_both_names_of_accuracy(recorded, old):
    model = line(loss="binary_crossentropy", metrics=[recorded])
    x, y = np.ones((8, 1)), np.ones(8)
    logs = model.fit(x, y, validation_split=0.5, verbose=0).history
    assert logs[old] == logs[recorded]
    assert logs[f"val_{old}"] == logs[f"val_{recorded}"]
    assert old in logs and f"val_{old}" in logs and "auc" not in logs and 3 not in logs
    assert list(logs) == [recorded, "loss", f"val_{recorded}", "val_loss"] and len(logs) == 4
    with pytest.raises(KeyError, match="auc"):
        logs["auc"]


def test_without_validation_there_is_no_val_acc():
    model = line(loss="binary_crossentropy", metrics=["accuracy"])
    logs = model.fit(np.ones((8, 1)), np.ones(8), verbose=0).history
    with pytest.raises(KeyError, match="val_acc"):
        logs["val_acc"]


def test_history_pickles_as_a_plain_dict():
    logs = line().fit(np.ones((8, 1)), np.ones(8), verbose=0).history
    again = pickle.loads(pickle.dumps(logs))
    assert type(again) is dict
    assert again == logs


def test_models_has_input_as_it_had():
    from pyseq.models import Input, InputLayer

    assert Input is pyseq.Input
    assert InputLayer is layers.InputLayer


@pytest.mark.parametrize("one", ["mae", pyseq.metrics.mean_absolute_error])
def test_compile_reads_one_metric_without_a_list(one):
    x, y = np.ones((4, 1)), np.zeros(4)
    single, listed = line(metrics=one), line(metrics=[one])
    listed.set_weights(single.get_weights())
    logs = single.evaluate(x, y, verbose=0, return_dict=True)
    assert len(logs) == 2
    assert logs == listed.evaluate(x, y, verbose=0, return_dict=True)
    assert "auc" in line(metrics=pyseq.metrics.AUC(name="auc")).evaluate(
        x, y, verbose=0, return_dict=True
    )


def test_history_answers_to_lr():
    schedule = pyseq.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    logs = line().fit(np.ones((4, 1)), np.ones(4), epochs=2, callbacks=[schedule], verbose=0).history
    assert logs["lr"] == pytest.approx([0.5, 0.25])


@pytest.mark.parametrize("shape", [{"input_shape": (5, 2)}, {"input_dim": 2, "input_length": 5}])
def test_batch_size_beside_the_shape_of_a_layer(shape):
    model = pyseq.Sequential([layers.LSTM(3, **shape, batch_size=4, stateful=True)])
    assert model.input_shape == (4, 5, 2)
    assert model.predict(np.ones((8, 5, 2)), batch_size=4, verbose=0).shape == (8, 3)


def test_batch_size_without_a_shape():
    with pytest.raises(ValueError, match="batch_size"):
        layers.Dense(3, batch_size=4)


YAML = """
backend: tensorflow
class_name: Sequential
config:
- class_name: Dense
  config:
    activation: relu
    batch_input_shape: !!python/tuple [null, 3]
    name: dense_1
    units: 2
keras_version: 2.0.8
"""


def test_yaml_of_keras_2():
    pytest.importorskip("yaml")
    model = pyseq.models.model_from_yaml(YAML)
    assert model.input_shape == (None, 3)
    assert model.layers[0].get_config()["activation"] == "relu"
    for text in ("!!python/object/apply:os.getcwd []", "- 1", "a: ["):
        with pytest.raises(ValueError, match="model_from_yaml: expected YAML of a model"):
            pyseq.models.model_from_yaml(text)


def test_yaml_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match="pip install pyyaml"):
        pyseq.models.model_from_yaml(YAML)
