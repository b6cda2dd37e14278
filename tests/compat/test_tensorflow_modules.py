"""Tensors, results of pyseq as tensors, files, and the import system of `tf`."""

import subprocess
import sys

import numpy as np
import pytest

from pyseq import layers, results
from pyseq.compat import install, tensorflow as tf, uninstall
from pyseq.compat.tensorflow import _modules, _names
from pyseq.compat.tensorflow._tensors import as_tensor


@pytest.fixture(autouse=True)
def tensors():
    results.hand_out(as_tensor)
    yield
    results.hand_out(None)


def test_tensors_answer_as_scripts_expect():
    x = tf.constant([[1.0, 2.0]])
    assert x.shape.as_list() == [1, 2] and x.get_shape().ndims == 2
    assert type(x.numpy()) is np.ndarray and type(x[0, 0].numpy()) is np.float32
    assert int(x[0, 1]) == 2 and float(tf.reduce_sum(x)) == 3 and f"{x[0, 1]:.2f}" == "2.00"
    assert [row.numpy().tolist() for row in x] == [[1, 2]]
    for other in (np.float64(2), np.array([2.0, 2.0]), [2, 2], 2, tf.constant(2.0)):
        for made in (x * other, other * x):
            assert type(made) is tf.Tensor and made.dtype == np.float32
            assert made.numpy().tolist() == [[2, 4]]
    assert (1 / x).numpy().tolist() == [[1, 0.5]] and (2 - x).numpy().tolist() == [[1, 0]]
    assert (x > 1).numpy().tolist() == [[False, True]]
    assert tf.constant("a") == "a" and tf.constant(["ä"])[0].numpy() == "ä".encode()
    assert (
        repr(x[0]) == "<tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 2.], dtype=float32)>"
    )
    given = np.ones(2)
    copy = tf.constant(given)
    given[0] = 7
    assert copy.numpy().tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"set_shape: expected the shape \(1, 2\), got \(3,\)"):
        x.set_shape([3])


def test_variables():
    v = tf.Variable(tf.zeros((2, 3)), name="v", trainable=False)
    assert v.shape.as_list() == [2, 3] and not v.trainable
    v.assign_add(tf.ones((2, 3)))
    assert (v * 2 - 1).numpy().tolist() == [[1] * 3] * 2 and v.read_value()[0, 0].numpy() == 1
    assert tf.Variable(lambda: 3).numpy() == 3 and tf.Variable(3).dtype == "int32"


def test_results_of_layers_losses_metrics_and_data_sets():
    y = layers.Dense(2)(np.ones((1, 3), "f"))
    assert y.numpy().shape == (1, 2)
    loss = tf.keras.losses.MeanSquaredError()([[1.0]], [[3.0]])
    assert loss.numpy() == 4 and tf.keras.metrics.Mean()([1.0, 2.0]).numpy() == 1.5
    model = tf.keras.Sequential([tf.keras.Input((3,)), layers.Dense(2)])
    for _ in range(2):
        assert tf.nn.softmax(model(np.ones((1, 3), "f"))).numpy().shape == (1, 2)
    assert type(model.predict(np.ones((1, 3)), verbose=0)) is np.ndarray
    data = tf.data.Dataset.from_tensor_slices(({"a": [1, 2]}, ["x", "y"]))
    for parts, text in data.map(lambda p, t: ({"a": p["a"].numpy() + 1}, tf.strings.upper(t))):
        assert type(parts["a"]) is tf.Tensor and text.numpy() in (b"X", b"Y")
    assert type(next(data.as_numpy_iterator())[0]["a"]) is np.int32
    total = tf.data.Dataset.range(4).reduce(tf.constant(0, tf.int64), lambda s, x: s + x)
    assert total.numpy() == 6
    results.hand_out(None)
    assert type(layers.Dense(2)(np.ones((1, 3), "f"))) is np.ndarray


def test_seed_repeats_numbers_and_weights():
    def draw():
        tf.random.set_seed(3)
        return tf.random.normal([3]), layers.Dense(2)(np.ones((1, 2), "f"))

    for a, b in zip(draw(), draw(), strict=True):
        assert (a.numpy() == b.numpy()).all()


def test_files(tmp_path):
    path = str(tmp_path / "a" / "x.txt")
    tf.io.write_file(path, "one\ntwo\n")
    assert tf.io.read_file(path).numpy() == b"one\ntwo\n"
    assert tf.io.read_file(tf.constant(path)).numpy() == b"one\ntwo\n"
    assert [t.numpy() for t in tf.data.TextLineDataset(path)] == [b"one", b"two"]
    gfile = tf.io.gfile
    assert (
        gfile.exists(path)
        and gfile.isdir(str(tmp_path))
        and gfile.glob(f"{tmp_path}/*/*") == [path]
    )
    assert tf.io.matching_files(f"{tmp_path}/*/*.txt").numpy().tolist() == [path.encode()]
    with gfile.GFile(path) as file:
        assert file.read() == "one\ntwo\n"
    gfile.copy(path, path + "2")
    with pytest.raises(FileExistsError, match=r"gfile: expected no file"):
        gfile.rename(path, path + "2")
    gfile.rename(path, path + "2", overwrite=True)
    assert gfile.listdir(str(tmp_path / "a")) == ["x.txt2"]
    gfile.makedirs(str(tmp_path / "b" / "c"))
    assert [len(files) for _, _, files in gfile.walk(str(tmp_path / "a"))] == [1]
    gfile.remove(path + "2")
    gfile.rmtree(str(tmp_path / "b"))
    assert gfile.listdir(str(tmp_path)) == ["a"]


# --- the import system


def test_parts_are_imported_at_any_depth():
    script = {}
    exec(
        "import pyseq.compat.tensorflow.keras.backend as K\n"
        "from pyseq.compat.tensorflow import keras\n"
        "from pyseq.compat.tensorflow.keras.layers import Dense\n"
        "from pyseq.compat.tensorflow.keras.preprocessing.text import Tokenizer\n"
        "from pyseq.compat.tensorflow.python.keras.layers.core import Dropout\n"
        "from pyseq.compat.tensorflow.compat.v1.keras.models import Sequential\n"
        "import pyseq.compat.tensorflow.compat.v1 as tf1\n"
        "from pyseq.compat.tensorflow.compat.v2.math import reduce_sum\n",
        script,
    )
    assert script["Dense"] is layers.Dense and script["Dropout"] is layers.Dropout
    assert script["keras"].__version__ == _names.KERAS_VERSION
    assert script["keras"].layers.__spec__.name == "pyseq.layers"
    assert script["tf1"].reduce_mean([1.0, 2.0]).numpy() == 1.5
    assert script["tf1"].set_random_seed is tf.set_random_seed
    with pytest.raises(ModuleNotFoundError, match=r"tf.estimator: .*use a Sequential with fit"):
        exec("import pyseq.compat.tensorflow.estimator")
    with pytest.raises(ModuleNotFoundError, match=r"no_such_module"):
        exec("import pyseq.compat.tensorflow.keras.no_such_module")


def test_install_and_uninstall():
    before = {name: sys.modules.get(name) for name in ("keras", "tensorflow")}
    try:
        assert install(replace=True) == ["keras", "tensorflow", "tf_keras"]
        assert install(replace=True) == ["keras", "tensorflow", "tf_keras"]
        script = {}
        exec(
            "import tensorflow as tf, keras, tf_keras\n"
            "from tensorflow.keras.layers import Dense\n"
            "from keras.layers.core import Flatten\n"
            "from tf_keras import Sequential\n"
            "import tensorflow.keras.backend as K\n",
            script,
        )
        assert script["tf"] is tf and script["Dense"] is layers.Dense
        assert script["keras"].layers.Flatten is script["Flatten"]
    finally:
        uninstall()
    assert {name: sys.modules.get(name) for name in before} == before
    assert _modules.Finder.installed == {}


def test_install_leaves_what_is_installed(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("mine = 1\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import pyseq\n"
        "assert 'tensorflow' not in pyseq.compat.install()\n"
        "import tensorflow; assert tensorflow.mine == 1\n"
        "pyseq.compat.install(replace=True)\n"
        "import tensorflow; assert tensorflow.reduce_sum([1, 2]).numpy() == 3\n"
        "pyseq.compat.uninstall()\n"
        "import tensorflow; assert tensorflow.mine == 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_of_it_is_loaded_by_pyseq():
    code = "import sys, pyseq, pyseq.compat; sys.exit('pyseq.compat.tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
