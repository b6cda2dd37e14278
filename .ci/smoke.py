"""Does an installed pyseq work? Imports, trains, predicts, and reads back what it writes.

    python .ci/smoke.py

Needs what the wheel needs, in an environment of its own; takes a few seconds.
"""

import importlib.util
import platform
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]


def expect(holds, what):
    if not holds:
        sys.exit(f"smoke test: expected {what}")


def main():
    # As a program's folder is on the path, a checkout must not hide the wheel.
    sys.path[:] = [p for p in sys.path if p and Path(p).resolve() != HERE]
    import pyseq
    from pyseq import _core, layers
    from pyseq.datasets import digits

    where = Path(pyseq.__file__).resolve()
    expect(HERE / "pyseq" not in where.parents, f"an installed pyseq, got {where}")
    print(f"Python {platform.python_version()}, {sysconfig.get_platform()}")
    print(f"levels {_core.built_isas()}, here {_core.current_isa()}, {_core.num_threads()} threads")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        expect(not sys._is_gil_enabled(), "a module that leaves the GIL off")

    (x, y), (x_test, y_test) = digits.load_data()
    x, x_test = x[..., None] / np.float32(16), x_test[..., None] / np.float32(16)
    pyseq.utils.set_random_seed(1)
    model = pyseq.Sequential([
        pyseq.Input((8, 8, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=8, verbose=0)
    accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
    print(f"digits: accuracy {accuracy:.3f}")
    expect(accuracy > 0.8, f"an accuracy above 0.8, got {accuracy}")
    answers = model.predict(x_test, verbose=0)
    # Kernels of each level that runs here.
    x = answers - np.float32(0.5)
    for level in set(_core.available_isas()) - {"ref64"}:
        y = _core.run_op("activation", level, [x], [], {"activation": "relu"}, [[10]])["outputs"][0]
        expect(np.array_equal(y, np.maximum(x, 0)), f"kernels of {level} that work")

    with tempfile.TemporaryDirectory() as folder:
        model.export(f"{folder}/model.pyseq")
        loaded = _core.Model.load(f"{folder}/model.pyseq")
        expect(np.allclose(loaded.predict(np.ascontiguousarray(x_test)), answers, atol=1e-5),
               "an exported file with the same answers")  # fmt: skip
        if importlib.util.find_spec("h5py"):
            model.save(f"{folder}/model.keras")
            again = pyseq.models.load_model(f"{folder}/model.keras").predict(x_test, verbose=0)
            expect(np.allclose(again, answers, atol=1e-6), "a .keras file with the same answers")
        else:
            print("no h5py: .keras files not tried")

    with_doubles = pyseq.Sequential(
        [pyseq.Input((3,), dtype="float64"), layers.Dense(2, dtype="float64")]
    )
    expect(with_doubles.predict(np.ones((4, 3)), verbose=0).dtype == np.float64, "float64 models")
    print("smoke test passed")


if __name__ == "__main__":
    main()
