"""One class per family of peers, and the table of peers.

A peer is `module:Class` with keyword arguments, the environment of its process and the modules
that have to be installed. The class has

    load()            import the framework
    build(workload)   make the model, ready to train or to run
    train_batch()     one training step on one fixed batch, waiting for its end
    fit(x, y)         one epoch over x and y, shuffled; returns the mean loss
    infer(x)          outputs of a batch as a NumPy array
    predict(x)        outputs through the peer's general entry point, or None if it has no other
    versions()        dict from distribution to version

and `trains = False` if it can only run a model, in which case `export` says which file it needs.
"""

from dataclasses import dataclass, field
from importlib.util import find_spec


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    target: str
    needs: tuple
    options: dict = field(default_factory=dict)
    environ: dict = field(default_factory=dict)
    gpu: bool = False  # takes part in `--device cuda`
    export: str = ""  # "onnx" or "tflite": the file that another peer has to write first

    def missing(self):
        """Names of the modules that are not installed here."""
        needed = self.needs + EXPORTERS.get(self.export, ())
        return [name for name in needed if find_spec(name) is None]


EXPORTERS = {"onnx": ("torch", "onnx"), "tflite": ("keras", "tensorflow")}

_KERAS = "peers.keras_api:KerasApi"
_TF = {"KERAS_BACKEND": "tensorflow"}

_ALL = (
    Peer("pyseq", "pyseq", _KERAS, ("pyseq",), {"module": "pyseq"}, gpu=True),
    Peer("keras-tf", "Keras on TensorFlow", _KERAS, ("keras", "tensorflow"), {}, _TF),
    Peer(
        "keras-tf-jit",
        "Keras on TensorFlow, jit_compile",
        _KERAS,
        ("keras", "tensorflow"),
        {"compile": {"jit_compile": True}},
        _TF,
    ),
    Peer(
        "keras-tf-32",
        "Keras on TensorFlow, 32 steps per execution",
        _KERAS,
        ("keras", "tensorflow"),
        {"compile": {"steps_per_execution": 32}},
        _TF,
    ),
    Peer("keras-jax", "Keras on JAX", _KERAS, ("keras", "jax"), {}, {"KERAS_BACKEND": "jax"}),
    Peer(
        "keras-jax-32",
        "Keras on JAX, 32 steps per execution",
        _KERAS,
        ("keras", "jax"),
        {"compile": {"steps_per_execution": 32}},
        {"KERAS_BACKEND": "jax"},
    ),
    Peer(
        "keras-torch",
        "Keras on PyTorch",
        _KERAS,
        ("keras", "torch"),
        {},
        {"KERAS_BACKEND": "torch"},
    ),
    Peer("torch", "PyTorch", "peers.pytorch:PyTorch", ("torch",), gpu=True),
    Peer(
        "torch-compile",
        "PyTorch, torch.compile",
        "peers.pytorch:PyTorch",
        ("torch",),
        {"compiled": True},
        gpu=True,
    ),
    Peer("jax", "JAX, hand-written, jit", "peers.jax_jit:Jax", ("jax",), gpu=True),
    Peer(
        "onnxruntime",
        "ONNX Runtime",
        "peers.runtimes:OnnxRuntime",
        ("onnxruntime",),
        export="onnx",
    ),
    Peer("openvino", "OpenVINO", "peers.runtimes:OpenVino", ("openvino",), export="onnx"),
    Peer("litert", "LiteRT", "peers.runtimes:LiteRt", ("ai_edge_litert",), export="tflite"),
)

PEERS = {peer.name: peer for peer in _ALL}
