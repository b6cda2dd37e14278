"""Settings of the whole process, with the names of `keras.config`.

No file in the home directory is read or written. `KERAS_MAX_EPOCHS` and
`KERAS_MAX_STEPS_PER_EPOCH` give the starting values of the debugging caps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pyseq import _core, checks, dtype_policies, settings
from pyseq.settings import standardize_data_format

if TYPE_CHECKING:
    from typing import NoReturn

    from typing_extensions import Self

    from pyseq.dtype_policies import DTypePolicy
    from pyseq.types import DataFormat

FLOATX_NAMES = ("float16", "bfloat16", "float32", "float64")
MATMUL_PRECISIONS = ("highest", "high", "medium")


def backend() -> str:
    """Return `"pyseq"`.

    >>> backend()
    'pyseq'
    """
    return "pyseq"


def floatx() -> str:
    """Return the default float dtype as a string, `"float32"` unless changed.

    >>> floatx()
    'float32'
    """
    return settings.floatx


def set_floatx(value: str) -> None:
    """Set the default float dtype: `"float16"`, `"bfloat16"`, `"float32"` or `"float64"`.

    The two 16-bit names are kept for configs; arithmetic is then in float32.
    """
    if value not in FLOATX_NAMES:
        raise ValueError(
            f"set_floatx: expected one of {FLOATX_NAMES}, got {value!r}; pass one of these names"
        )
    settings.change("floatx", str(value))


def epsilon() -> float:
    """Return the small number that keeps divisions and logarithms finite (1e-07)."""
    return settings.epsilon


def set_epsilon(value: Any) -> None:
    """Set the small number that keeps divisions and logarithms finite; it must be >= 0."""
    value = float(value)
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError(
            f"set_epsilon: expected a finite number >= 0, got {value}; the default is 1e-07"
        )
    settings.change("epsilon", value)


def image_data_format() -> str:
    """Return the default position of the channel axis, `"channels_last"` unless changed."""
    return settings.image_data_format


def set_image_data_format(data_format: DataFormat) -> None:
    """Set the default position of the channel axis: `"channels_last"` or `"channels_first"`."""
    data_format = standardize_data_format(data_format, "set_image_data_format")
    settings.change("image_data_format", data_format)


def dtype_policy() -> DTypePolicy:
    """Return the `DTypePolicy` that layers get when they are given none."""

    return dtype_policies.default()


def set_dtype_policy(policy: Any) -> None:
    """Set the policy that layers get when they are given none.

    Args:
        policy: a `DTypePolicy`, its name, or its config.
    """
    if policy is None:
        raise ValueError(
            "set_dtype_policy: expected a DTypePolicy, its name or its config, got None; "
            "pass 'float32' for the default"
        )
    settings.change("dtype_policy", dtype_policies.get(policy))


def reset_dtype_policy() -> None:
    """Let the default policy follow `floatx()` again."""
    settings.change("dtype_policy", None)


def enable_compat_notices() -> None:
    """Tell once of each old spelling that a script uses."""
    settings.change("compat_notices", True)


def disable_compat_notices() -> None:
    """Accept spellings of Keras 1 and 2 without a word; so does `PYSEQ_COMPAT_NOTICES=0`."""
    settings.change("compat_notices", False)


class silence:
    """Give no warnings of these checks from now on, or only within a `with` block.

    Errors stay. The environment variable `PYSEQ_SILENCE`, such as `"PS103,PS4"`, does the same for
    a whole process.

    Args:
        codes: such as `"PS103"` (they end the warnings, and `docs/mistakes.md` lists them), or how
            they begin: `"PS4"` for a topic, `"PS"` for all.

    Raises:
        ValueError: no code begins like that.

    >>> with silence("PS403"):
    ...     pass
    """

    def __init__(self, *codes: Any) -> None:
        known = [each.code for each in checks.known()]
        for code in codes:
            if not isinstance(code, str) or not any(k.startswith(code or "?") for k in known):
                raise ValueError(
                    f"silence: expected the code of a check or its beginning, got {code!r}; codes "
                    f"are {', '.join(known)}"
                )
        self.before = settings.silenced
        settings.change("silenced", tuple(dict.fromkeys((*self.before, *codes))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        settings.change("silenced", self.before)


def silenced() -> tuple[str, ...]:
    """Return the codes, or beginnings of codes, whose warnings are silenced.

    >>> with silence("PS403", "PS5"):
    ...     silenced()
    ('PS403', 'PS5')
    """
    return settings.silenced


def enable_interactive_logging() -> None:
    """Show progress on standard output (the default)."""
    settings.change("interactive_logging", True)


def disable_interactive_logging() -> None:
    """Send progress to the `logging` module instead of standard output."""
    settings.change("interactive_logging", False)


def is_interactive_logging_enabled() -> bool:
    """Return whether progress goes to standard output."""
    return settings.interactive_logging


def enable_traceback_filtering() -> None:
    """Record that tracebacks may be shortened; pyseq's own are short and shown in full."""
    settings.change("traceback_filtering", True)


def disable_traceback_filtering() -> None:
    """Record that tracebacks must not be shortened; pyseq's are shown in full either way."""
    settings.change("traceback_filtering", False)


def is_traceback_filtering_enabled() -> bool:
    """Return the flag that `enable_traceback_filtering` sets."""
    return settings.traceback_filtering


def max_epochs() -> int | None:
    """Return the cap on the epochs of any `fit`, or None."""
    return settings.max_epochs


def set_max_epochs(value: Any) -> None:
    """Cap the epochs of any `fit`, for debugging; None removes the cap."""
    settings.change("max_epochs", settings.checked_cap(value, "set_max_epochs"))


def max_steps_per_epoch() -> int | None:
    """Return the cap on the steps of an epoch, or None."""
    return settings.max_steps_per_epoch


def set_max_steps_per_epoch(value: Any) -> None:
    """Cap the steps of an epoch of `fit`, `evaluate` and `predict`; None removes the cap."""
    settings.change("max_steps_per_epoch", settings.checked_cap(value, "set_max_steps_per_epoch"))


def enable_unsafe_deserialization() -> NoReturn:
    """Refuse: pyseq has no mode in which a file runs code.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "enable_unsafe_deserialization: expected no unsafe loading, which pyseq does not have; "
        "register custom objects with pyseq.saving.register_keras_serializable() or pass "
        "custom_objects to the loader"
    )


def current_device() -> str:
    """Return where models compute: `"cpu"`, `"cuda"` or `"cuda:1"`.

    The first value is that of the environment variable `PYSEQ_DEVICE`, else `"cpu"`.
    """
    return settings.device


def set_device(name: str) -> None:
    """Choose where models compute from now on; their weights move by themselves.

    Args:
        name: `"cpu"`, `"cuda"` (the first GPU) or `"cuda:1"` (the second).

    Raises:
        ValueError: there is no such device; the message says what is missing.

    >>> set_device("cpu")
    """
    _core.set_device(str(name))
    settings.change("device", str(name))


def list_devices() -> list[tuple[str, str]]:
    """Return the devices that can be used, as a list of `(name, description)`.

    >>> list_devices()[0][0]
    'cpu'
    """
    return _core.list_devices()


def instruction_sets():
    """Return the levels of instructions of CPUs that the core has code for.

    Returns:
        A dict: `"built"`, those compiled in; `"usable"`, those of them that this CPU has; both are
        lists. `"in_use"` is a string; the environment variable `PYSEQ_ISA` chooses another one
        before pyseq is imported.

    >>> levels = instruction_sets()
    >>> levels["in_use"] in levels["usable"]
    True
    """
    return {
        "built": list(_core.built_isas()),
        "usable": list(_core.available_isas()),
        "in_use": _core.current_isa(),
    }


class device:
    """Context manager: models compute on a device within, and where they did before after it.

    >>> with device("cpu"):
    ...     current_device()
    'cpu'
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Self:
        self.before = current_device()
        set_device(self.name)
        return self

    def __exit__(self, *error: Any) -> None:
        set_device(self.before)


def num_threads() -> int:
    """Return how many threads compute."""
    return _core.num_threads()


def set_num_threads(count: Any) -> None:
    """Set how many threads compute. Results do not depend on the number.

    Args:
        count: integer >= 1.
    """
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"set_num_threads: expected an integer >= 1, got {count!r}")
    count = count.__index__()
    if count < 1:
        raise ValueError(f"set_num_threads: expected an integer >= 1, got {count}")
    _core.set_num_threads(count)


def float32_matmul_precision() -> str:
    """Return `"highest"`, `"high"` or `"medium"`."""
    return _core.matmul_precision()


def set_float32_matmul_precision(precision: Any) -> None:
    """Set how exactly float32 matrix products are computed on CPUs with bfloat16 tiles and GPUs.

    Args:
        precision: `"highest"` (float32-accurate, three bfloat16 parts), `"high"` (two parts,
            error about 4e-6 of the largest value) or `"medium"` (plain bfloat16). On a GPU:
            float32, TF32, bfloat16.
    """
    if precision not in MATMUL_PRECISIONS:
        raise ValueError(
            f"set_float32_matmul_precision: expected one of {MATMUL_PRECISIONS}, "
            f"got {precision!r}; pass one of these names"
        )
    _core.set_matmul_precision(precision)


def set_backend(backend: Any) -> None:
    """Accept `"pyseq"`, the one backend there is.

    Raises:
        ValueError: another name.
    """
    if backend != "pyseq":
        raise ValueError(
            f"set_backend: expected 'pyseq', the only backend, got {backend!r}; leave the call out"
        )


def enable_flash_attention() -> None:
    """Does nothing: attention is one program, whatever is set. Kept for scripts of Keras."""


def disable_flash_attention() -> None:
    """Does nothing: attention is one program, whatever is set. Kept for scripts of Keras."""


def is_flash_attention_enabled() -> None:
    """Return None, as Keras does where nothing was chosen."""


def is_nnx_enabled() -> bool:
    """Return False: that is a matter of the JAX backend of Keras."""
    return False


__all__ = [
    "backend", "current_device", "device", "disable_compat_notices", "disable_flash_attention",
    "disable_interactive_logging", "disable_traceback_filtering", "dtype_policy",
    "enable_compat_notices", "enable_flash_attention", "enable_interactive_logging",
    "enable_traceback_filtering", "enable_unsafe_deserialization", "epsilon",
    "float32_matmul_precision", "floatx", "image_data_format", "is_flash_attention_enabled",
    "is_interactive_logging_enabled", "is_nnx_enabled", "is_traceback_filtering_enabled",
    "list_devices", "max_epochs", "max_steps_per_epoch", "num_threads", "reset_dtype_policy",
    "set_backend", "set_device", "set_dtype_policy", "set_epsilon", "set_float32_matmul_precision",
    "set_floatx", "set_image_data_format", "set_max_epochs", "set_max_steps_per_epoch",
    "set_num_threads", "silence", "silenced", "standardize_data_format",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
