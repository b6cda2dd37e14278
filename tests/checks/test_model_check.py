"""`model.check` returns findings, which print well, and raises nothing for them."""

import pickle

import numpy as np
import pytest

import pyseq
from pyseq import checks, layers

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def classifier(*parts):
    model = pyseq.Sequential([pyseq.Input((4,)), *parts, layers.Dense(3, "softmax", name="last")])
    model.compile("sgd", "categorical_crossentropy")
    return model


def test_a_correct_model_has_none():
    found = classifier().check(X, np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]])
    assert found == [] and str(found) == "no findings" and "no findings" in found._repr_html_()


def test_errors_are_findings():
    found = classifier().check(X, np.arange(8))
    assert str(found) == (
        "PS204  error    y\n"
        "    categorical_crossentropy expected one-hot targets of shape (None, 3), got\n"
        "    (None,), which look like integer labels\n"
        "    -> use loss='sparse_categorical_crossentropy', or encode them with\n"
        "       utils.to_categorical(y, 3)\n"
        "1 error, 0 warnings"
    )
    assert repr(found) == str(found)
    with pytest.raises(checks.CheckError, match="^fit: ") as caught:
        classifier().fit(X, np.arange(8), verbose=0)
    assert caught.value.finding.message == found[0].message
    assert str(caught.value).endswith("utils.to_categorical(y, 3) [PS204]")


@pytest.mark.parametrize(
    "x, y, text",
    [
        ([["a"]], None, "x: expected an array, got a Python list; convert it with np.array(...) [PS301]"),
        (None, 3, "y: expected an array of rows, got a single number; pass rows of numbers of the shape of "
                  "the model's Input [PS301]"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(x, y, text):
    found = classifier().check(x, y)
    assert [str(f) for f in found] == [text]


def test_rows_of_another_shape():
    (found,) = classifier().check(np.ones((8, 5)))
    assert found.code == "PS301" and "(None, 4)" in found.message and "5" in found.message


def test_errors_come_first_and_all_is_in_the_table():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, "softmax", name="a<b")])
    with pytest.warns(checks.CheckWarning, match="PS101"):
        model.compile("sgd", pyseq.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = model.check(X, np.arange(8))
    assert [f.code for f in found] == ["PS201", "PS101"]
    assert [f.code for f in found.errors] == ["PS201"]
    assert [f.code for f in found.warnings] == ["PS101"]
    assert str(found).endswith("\n1 error, 1 warning")
    assert max(map(len, str(found).splitlines())) <= 80
    table = found._repr_html_()
    assert table.count("<tr>") == 3 and "a&lt;b" in table and "a<b" not in table
    assert [f.code for f in model.check(X, np.arange(8))] == ["PS201", "PS101"]  # and again


def test_models_that_are_not_compiled_or_built():
    model = pyseq.Sequential([layers.Dense(3, "softmax"), layers.Softmax(name="soft")])
    assert [f.code for f in model.check()] == ["PS501"]
    assert [f.code for f in model.check(X)] == ["PS501"]
    assert not model.built and not model.weights
    assert pyseq.Sequential().check(X) == []
    with pytest.warns(checks.CheckWarning):
        model.compile("sgd", "sparse_categorical_crossentropy")
    assert [f.code for f in model.check(X, np.arange(8))] == ["PS201", "PS501"]
    assert not model.built


def test_a_subclass_with_a_call_of_its_own():
    class Own(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.Dense(3)

        def call(self, x):
            return self.last(x)

    model = Own()
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.check(X, np.zeros(8)) == []
    model.fit(X, np.zeros(8), verbose=0)
    assert [f.code for f in model.check(X, np.arange(8))] == ["PS201"]


def test_constant_output():
    model = classifier(layers.Dense(5, "relu"))
    model.layers[0].set_weights([np.zeros((4, 5)), -np.ones(5)])
    assert [str(f) for f in model.check(X)] == [
        "last: the output is the same for all of 8 rows; scale the inputs, lower the learning rate, "
        "and look for relu layers that give only zeros [PS503]"
    ]
    assert model.check(np.ones((8, 4))) == []


def test_findings_travel():
    found = classifier().check(X, np.arange(8))
    assert pickle.loads(pickle.dumps(found)) == found
    error = pickle.loads(pickle.dumps(checks.CheckError(found[0])))
    assert error.code == "PS204" and str(error) == str(found[0])
    warning = pickle.loads(pickle.dumps(checks.CheckWarning(found[0])))
    assert warning.code == "PS204" and warning.finding == found[0]
