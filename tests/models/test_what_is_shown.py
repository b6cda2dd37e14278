"""Summaries, reprs and tables of notebooks."""

import numpy as np
import pytest

from pyseq import Input, Sequential, callbacks, layers

X = np.linspace(0, 1, 64, dtype="float32").reshape(16, 4)


def small_model(**kwargs):
    inner = Sequential([layers.Dense(3, name="a"), layers.BatchNormalization(name="b")], name="inner")
    out = layers.Dense(2, name="out", trainable=False)
    return Sequential([Input((4,)), inner, out], name="net", **kwargs)


def summary(model, **kwargs):
    texts = []
    model.summary(print_fn=texts.append, **kwargs)
    return "\n".join(texts)


def cells(text, name):
    (line,) = [line for line in text.splitlines() if f"{name} (" in line]
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_no_optimizer_parameters_before_training():
    model = small_model()
    model.compile("adam", "mse")
    assert "Optimizer" not in summary(model)
    assert " Total params: 35 (140.00 B)" in summary(model)
    model.fit(X, X[:, :2], verbose=0)
    assert "Optimizer params" in summary(model)


def test_columns_of_a_summary():
    text = summary(small_model(), expand_nested=True, show_trainable=True)
    assert cells(text, "inner") == ["inner (Sequential)", "(None, 3)", "27", "Y"]
    assert cells(text, "└ a") == ["└ a (Dense)", "(None, 3)", "15", "Y"]
    assert cells(text, "out") == ["out (Dense)", "(None, 2)", "8", "N"]
    assert "Param #" in text
    assert max(map(len, text.splitlines())) == 80
    text = summary(small_model(), show_memory=True, show_flops=True)
    assert cells(text, "inner")[3:5] == ["108.00 B", "12.00 B"]
    # 3 x 2 products and additions
    assert cells(text, "out")[3:] == ["32.00 B", "8.00 B", "12"]
    assert "FLOPs/row" in text
    assert max(map(len, summary(small_model(), line_length=60).splitlines())) == 60


def test_operations_of_a_convolution():
    model = Sequential([Input((28, 28, 1)), layers.Conv2D(8, 3, use_bias=False, name="conv")])
    assert cells(summary(model, show_flops=True), "conv")[3] == "97.34 k"  # 26 26 8 (3 3 1) 2
    assert cells(summary(model), "conv") == ["conv (Conv2D)", "(None, 26, 26, 8)", "72"]


def test_operations_need_shapes():
    for model in (
        Sequential([layers.Dense(2)], name="m"),
        Sequential([Input((None, 3)), layers.LSTM(2)], name="m"),
        Sequential([Input(batch_shape=(2, 5, 3)), layers.LSTM(2, stateful=True)], name="m"),
    ):
        with pytest.raises(ValueError, match=r"m: summary\(show_flops=True\) expected a built"):
            model.summary(show_flops=True)


def test_history_says_its_last_values():
    model = small_model()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, X[:, :2], epochs=30, verbose=0)
    loss, mae = (history.history[name][-1] for name in ("loss", "mae"))
    assert repr(history) == f"<History epochs=30, loss={loss:.4f}, mae={mae:.4f}>"
    table = history._repr_html_()
    assert table.count("<tr>") == 1 + 20 + 1
    assert "<th>epoch</th><th>loss</th><th>mae</th>" in table
    assert f"<td>30</td><td>{loss:.4f}</td>" in table
    assert repr(callbacks.History()) == "<History epochs=0>"
    assert callbacks.History()._repr_html_().count("<tr>") == 1


def test_history_with_values_of_some_epochs_and_of_other_kinds():
    class Add(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                logs["<note>"] = "a & b"

    model = small_model()
    model.compile("sgd", "mse")
    history = model.fit(X, X[:, :2], epochs=2, verbose=0, callbacks=[Add()])
    assert repr(history).endswith(", <note>=a & b>")
    rows = history._repr_html_().split("<tr>")
    assert "&lt;note&gt;" in rows[1]
    assert rows[2].endswith("<td></td></tr>")
    assert "<td>a &amp; b</td>" in rows[3]


def test_model_as_a_table():
    table = small_model()._repr_html_()
    assert "<b>Model: &quot;net&quot;</b>" in table
    assert "<td>out (Dense)</td><td>(None, 2)</td><td>8</td>" in table
    assert "<td>&emsp;└ a (Dense)</td>" in table
    assert "Total params: 35 (140.00 B)" in table


def test_profile_prints_itself():
    model = small_model()
    model.compile("sgd", "mse")
    profile = model.profile(X, X[:, :2], batch_size=8, steps=1)
    assert repr(profile) == str(profile)
    assert str(profile).splitlines()[0].split("  ")[-1].strip() == "of time"
    assert profile._repr_html_().count("<tr>") == 1 + len(profile)
    assert isinstance(profile[0]["forward_us"], float)
