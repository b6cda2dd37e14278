"""Settings, devices and sessions that scripts ask for; few of them change anything."""

from __future__ import annotations

import contextlib
import logging

import numpy as np

from pyseq import config
from pyseq.compat.tensorflow._tensors import as_tensor
from pyseq.utils.session import clear_session


class PhysicalDevice:
    """A device that models can compute on.

    Attributes:
        name: as `"/physical_device:GPU:0"`.
        device_type: `"CPU"` or `"GPU"`.
    """

    def __init__(self, name, device_type):
        self.name, self.device_type = name, device_type

    def __eq__(self, other):
        return isinstance(other, PhysicalDevice) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f"PhysicalDevice(name={self.name!r}, device_type={self.device_type!r})"


def _devices(device_type, prefix):
    gpus = sum(name != "cpu" for name, _ in config.list_devices())
    found = [("CPU", 0), *(("GPU", n) for n in range(gpus))]
    return [
        PhysicalDevice(f"/{prefix}:{kind}:{number}", kind)
        for kind, number in found
        if device_type in (None, kind)
    ]


def list_physical_devices(device_type=None):
    """Return the devices of a kind, `"CPU"` or `"GPU"`, or all."""
    return _devices(device_type, "physical_device")


get_visible_devices = list_physical_devices


def list_logical_devices(device_type=None):
    """Return the devices of a kind, `"CPU"` or `"GPU"`, or all."""
    return _devices(device_type, "device")


list_local_devices = list_logical_devices


def is_gpu_available(cuda_only=False, min_cuda_compute_capability=None):
    """Return whether there is a GPU that pyseq computes on."""
    return bool(list_physical_devices("GPU"))


def gpu_device_name():
    """Return `"/device:GPU:0"`, or an empty text where there is no GPU."""
    return "/device:GPU:0" if is_gpu_available() else ""


is_built_with_cuda = is_built_with_gpu_support = is_gpu_available


def get_build_info():
    """Return whether there are GPUs that pyseq computes on."""
    return {"is_cuda_build": is_gpu_available()}


def get_device_details(device):
    """Return what is known of a device."""
    return {"device_name": device.name}


@contextlib.contextmanager
def device(device_name=None):
    """Context manager that changes nothing: `pyseq.config.device` chooses where models compute."""
    yield


@contextlib.contextmanager
def name_scope(name, *args, **kwargs):
    """Context manager that changes nothing; yields the name."""
    yield name


class Settings:
    """Any settings, kept as attributes; they change nothing.

    >>> options = Settings(a=1)
    >>> options.b.c = 2
    >>> options.a, options.b.c
    (1, 2)
    """

    def __init__(self, *args, **kwargs):
        vars(self).update(kwargs)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = Settings()
        setattr(self, name, value)
        return value


ConfigProto = GPUOptions = DeviceConfiguration = Settings


class Graph(Settings):
    """What scripts of TensorFlow 1 name; everything is computed at once here."""

    @contextlib.contextmanager
    def as_default(self):
        """Context manager that changes nothing; yields the graph."""
        yield self

    def finalize(self):
        """Do nothing."""


class Session:
    """Returns values that were computed already.

    >>> with Session() as session:
    ...     session.run(np.float32(2))
    np.float32(2.0)
    """

    def __init__(self, target="", graph=None, config=None):
        self.graph, self.config = graph or Graph(), config

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, fetches, feed_dict=None):
        """Return tensors, or a list of them, as arrays.

        Raises:
            ValueError: `feed_dict` is given.
        """
        if feed_dict:
            raise ValueError(
                "Session.run(feed_dict): expected none, since there are no placeholders, got "
                f"{len(feed_dict)}; call functions with arrays"
            )
        if isinstance(fetches, (list, tuple)):
            return [self.run(part) for part in fetches]
        made = as_tensor(fetches)
        return made.numpy() if hasattr(made, "numpy") else made

    def as_default(self):
        """Return the session, a context manager."""
        return self

    def close(self):
        """Do nothing."""


InteractiveSession = get_default_session = Session


def reset_default_graph():
    """Forget names that were given out, as `clear_session`."""
    clear_session()


def run_functions_eagerly(run_eagerly):
    """Accepted: functions are called as they are."""


def functions_run_eagerly():
    """Return True: functions are called as they are."""
    return True


def _accepted(*args, **kwargs):
    """Accepted; it changes nothing."""


disable_eager_execution = enable_eager_execution = enable_v2_behavior = _accepted
disable_v2_behavior = enable_resource_variables = disable_v2_tensorshape = _accepted
global_variables_initializer = set_memory_growth = enable_op_determinism = _accepted
set_visible_devices = set_soft_device_placement = set_logical_device_configuration = _accepted
set_jit = set_experimental_options = set_log_device_placement = _accepted
set_intra_op_parallelism_threads = set_inter_op_parallelism_threads = _accepted


def get_memory_growth(device):
    """Return True: memory is taken when it is needed."""
    return True


def do_not_convert(func=None):
    """Return a function as it is."""
    return (lambda inner: inner) if func is None else func


def cardinality(dataset):
    """Return the number of elements of a data set as a tensor, -1 for endless, -2 for unknown."""
    return as_tensor(np.int64(dataset.cardinality()))


# --- logging


def get_logger():
    """Return the logger named `"tensorflow"`."""
    return logging.getLogger("tensorflow")


def set_verbosity(level=0, *args):
    """Set from which level on the logger tells."""
    get_logger().setLevel(int(level))


def get_verbosity():
    """Return from which level on the logger tells."""
    return get_logger().getEffectiveLevel()


debug, info, warning, error = (
    getattr(get_logger(), kind) for kind in ("debug", "info", "warning", "error")
)


# --- checks and strategies


def assert_equal(x, y, message=None, summarize=None, name=None):
    """Check that all elements are equal.

    Raises:
        InvalidArgumentError: some are not.
    """
    if not np.array_equal(np.broadcast_to(x, np.broadcast_shapes(np.shape(x), np.shape(y))), y):
        raise InvalidArgumentError(message or f"assert_equal: expected {y!r}, got {x!r}")


class InvalidArgumentError(ValueError):
    """An argument has a value that it must not have."""


class NotFoundError(FileNotFoundError):
    """There is no such file."""


class Strategy:
    """One machine: what is made within its scope is made as without it."""

    num_replicas_in_sync = 1

    def __init__(self, *args, **kwargs):
        pass

    @contextlib.contextmanager
    def scope(self):
        """Context manager that changes nothing; yields the strategy."""
        yield self
