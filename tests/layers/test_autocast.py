"""Dtypes of layers that do not cast their inputs, and of policies that come late; beside Keras."""

import numpy as np
import pytest

import pyseq

CASES = {
    "Dense": (2,),
    "ReLU": (),
    "Activation": ("tanh",),
    "Softmax": (),
    "Flatten": (),
    "Reshape": ((15,),),
    "Permute": ((2, 1),),
    "Identity": (),
    "Dropout": (0.5,),
    "GaussianNoise": (0.5,),
    "Masking": (),
    "MaxPooling1D": (2,),
    "GlobalAveragePooling1D": (),
    "ZeroPadding1D": (1,),
    "UpSampling1D": (2,),
    "UnitNormalization": (),
    "PReLU": (),
    "BatchNormalization": (),
    "LayerNormalization": (),
    "GroupNormalization": (1,),
    "RMSNormalization": (),
    "Embedding": (4, 2),
    "Rescaling": (0.5,),
    "Normalization": (-1, 0.5, 1.0),
    "Lambda": (lambda x: x,),
}
# Keras's Normalization keeps constants in the dtype that it was built with.
LATE = [name for name in CASES if name != "Normalization"]
# torch has no kernels of mixed dtypes for these: Keras raises there.
WITHOUT_ORACLE = ("Conv1D", "EinsumDense", "SeparableConv1D")


def dtype_of(y):
    return str(y.dtype).rpartition(".")[2]


def tensor(m, x):
    return x if m is pyseq else pytest.importorskip("torch").tensor(x)


@pytest.mark.parametrize("policy", [None, "float16", "mixed_float16"])
@pytest.mark.parametrize("name", CASES)
def test_inputs_that_are_not_cast(keras, name, policy):
    def dtypes(m):
        found = {}
        for dtype in ("float16", "float32"):
            layer = getattr(m.layers, name)(*CASES[name], autocast=False, dtype=policy)
            assert layer.autocast is False
            found[dtype] = dtype_of(layer(tensor(m, np.ones((2, 5, 3), dtype))))
        return found

    assert dtypes(pyseq) == dtypes(keras)


@pytest.mark.parametrize("name", ["ReLU", "Flatten", "MaxPooling1D", "Softmax", "BatchNormalization"])
def test_float64_is_not_cast(keras, name):
    def dtypes(m):
        found = []
        for policy, dtype in ((None, "float64"), ("float64", "float32"), ("float16", "float64")):
            layer = getattr(m.layers, name)(*CASES[name], autocast=False, dtype=policy)
            found.append(dtype_of(layer(tensor(m, np.ones((2, 5, 3), dtype)))))
        return found

    assert dtypes(pyseq) == dtypes(keras)
    x = np.array([[1.0, 1 / 3]])
    kept = pyseq.layers.Flatten(autocast=False)
    np.testing.assert_array_equal(kept(x), x)  # all digits
    assert kept(x.astype("float32")).dtype == "float32"


def test_in_a_model(keras):
    def dtypes(m):
        L = m.layers
        heads = (L.ReLU(dtype="float32"), L.ReLU(dtype="float32", autocast=False))
        models = [m.Sequential([m.Input((3,)), L.Dense(2, dtype="mixed_float16"), h]) for h in heads]
        return [dtype_of(model(np.ones((2, 3), "float32"))) for model in models]

    assert dtypes(pyseq) == dtypes(keras) == ["float32", "float16"]


@pytest.mark.parametrize("policy", ["float16", "mixed_float16", "bfloat16"])
@pytest.mark.parametrize("name", [*LATE, "LSTM", "GRU"])
def test_a_policy_for_a_layer_that_is_built(keras, name, policy):
    if "b" in policy:
        pytest.importorskip("ml_dtypes")

    def found(m):
        layer = getattr(m.layers, name)(*CASES.get(name, (2,)))
        layer(np.ones((2, 5, 3), "float32"))
        layer.dtype_policy = policy
        y = layer(np.ones((2, 5, 3), "float32"))
        weights = [dtype_of(w) for w in layer.weights]
        return dtype_of(y), layer.dtype, layer.compute_dtype, weights

    assert found(pyseq) == found(keras)


@pytest.mark.parametrize("name", WITHOUT_ORACLE)
def test_weights_that_stay_float32_give_float32(name):
    arguments = ("abc,cd->abd", (None, 2)) if name == "EinsumDense" else (2, 2)
    layer = getattr(pyseq.layers, name)(*arguments)
    x = np.ones((2, 5, 3), "float32")
    before = layer(x)
    layer.dtype_policy = "float16"
    assert layer(x).dtype == "float32"
    np.testing.assert_allclose(layer(x), before, rtol=1e-2)
