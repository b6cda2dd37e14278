"""Annotations that many modules share; read by editors and type checkers only.

Modules import it under `if TYPE_CHECKING:`, so that nothing of it is loaded when pyseq runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyseq.callbacks.base import Callback
    from pyseq.callbacks.callback_list import CallbackList
    from pyseq.dtype_policies import DTypePolicy
    from pyseq.losses.base import Loss
    from pyseq.metrics.base import Metric
    from pyseq.optimizers.optimizer import Optimizer
    from pyseq.random import SeedGenerator
    from pyseq.training.model import Model

T = TypeVar("T")
M = TypeVar("M", bound="Model")

# An array, a number or lists of them, a Variable, a KerasTensor, a tensor of a trace: what `call`
# is given, and what comes of it, depends on who calls.
Tensor: TypeAlias = Any
# Arrays, lists, data frames, generators, data sets.
Data: TypeAlias = Any
Array: TypeAlias = NDArray[Any]
Split: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]

# Of classes, outputs or features, in their order.
Names: TypeAlias = Sequence[Any] | Array | None

Config: TypeAlias = dict[str, Any]
CustomObjects: TypeAlias = Mapping[str, Any] | None
Logs: TypeAlias = dict[str, Any]

Shape: TypeAlias = Sequence[int | None]
Size: TypeAlias = int | Sequence[int]
Axis: TypeAlias = int | Sequence[int] | None
Range: TypeAlias = float | Sequence[float]
DTypeLike: TypeAlias = "str | type[Any] | np.dtype[Any] | DTypePolicy | Mapping[str, Any] | None"
DataFormat: TypeAlias = Literal["channels_last", "channels_first"] | None
Padding: TypeAlias = Literal["valid", "same"]
CausalPadding: TypeAlias = Literal["valid", "same", "causal"]
Reduction: TypeAlias = (
    Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"] | None
)
Verbosity: TypeAlias = Literal["auto"] | int
Seed: TypeAlias = "int | SeedGenerator | None"
Path: TypeAlias = str | os.PathLike[str]
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]

# What is chosen by name, config, class, function or instance (which is called like a function).
Chosen: TypeAlias = str | Callable[..., Any] | Mapping[str, Any] | None
ActivationLike: TypeAlias = Chosen
InitializerLike: TypeAlias = Chosen
RegularizerLike: TypeAlias = Chosen
ConstraintLike: TypeAlias = Chosen
LearningRate: TypeAlias = float | Callable[..., Any] | Mapping[str, Any]
OptimizerLike: TypeAlias = "str | Optimizer | type[Optimizer] | Mapping[str, Any] | None"
_OneLoss: TypeAlias = "str | Loss | type[Loss] | Callable[[Any, Any], Any] | Mapping[str, Any]"
LossLike: TypeAlias = "_OneLoss | Sequence[_OneLoss | None] | None"
_OneMetric: TypeAlias = "str | Metric | type[Metric] | Callable[..., Any] | Mapping[str, Any]"
MetricsLike: TypeAlias = "_OneMetric | Sequence[_OneMetric | Sequence[_OneMetric] | None] | None"
CallbacksLike: TypeAlias = "Callback | CallbackList | Sequence[Callback] | None"


class NoArguments(TypedDict, total=False):
    """Of functions whose `**kwargs` only catch old or misspelt names."""


class CloneArguments(TypedDict, total=False):
    """What `clone_model` takes of Keras's further arguments."""

    cache: dict[int, Any]


class LoadArguments(TypedDict, total=False):
    """What `load_weights` takes for some formats."""

    allow_non_finite: bool
    by_name: bool
    objects_to_skip: Sequence[Any] | None


class ModelArguments(TypedDict, total=False):
    """What `Model` takes beside its name: the ends of a straight model, or what a layer takes."""

    inputs: Any
    outputs: Any
    dtype: DTypeLike
    autocast: bool
    activity_regularizer: RegularizerLike


class SaveArguments(TypedDict, total=False):
    """What `save` takes for the older format of Keras, and names of old."""

    include_optimizer: bool
    save_format: str | None


class ShapeArguments(TypedDict, total=False):
    """Old ways to give the first layer its input shape."""

    input_shape: int | Shape
    batch_input_shape: Shape
    batch_shape: Shape
    batch_size: int | None
    input_length: int


class FirstLayerArguments(ShapeArguments, total=False):
    """What `Layer` takes beside the arguments that it names."""

    input_dim: int


class BareLayerArguments(ShapeArguments, total=False):
    """What the base class takes in the `**kwargs` of every layer."""

    trainable: bool
    autocast: bool


class EmbeddingArguments(BareLayerArguments, total=False):
    """Of layers whose `input_dim` is something else."""

    name: str | None
    dtype: DTypeLike


class NamedLayerArguments(BareLayerArguments, total=False):
    """Of layers that name `name` themselves."""

    dtype: DTypeLike
    input_dim: int
    activity_regularizer: RegularizerLike


class PlainLayerArguments(BareLayerArguments, total=False):
    """Of layers that name `activity_regularizer` themselves."""

    name: str | None
    dtype: DTypeLike
    input_dim: int


class LayerArguments(PlainLayerArguments, total=False):
    """Of layers that name none of these."""

    activity_regularizer: RegularizerLike


class Operators:
    """The operators that classes are given from tables."""

    def __add__(self, other: Any) -> Any: ...
    def __radd__(self, other: Any) -> Any: ...
    def __sub__(self, other: Any) -> Any: ...
    def __rsub__(self, other: Any) -> Any: ...
    def __mul__(self, other: Any) -> Any: ...
    def __rmul__(self, other: Any) -> Any: ...
    def __truediv__(self, other: Any) -> Any: ...
    def __rtruediv__(self, other: Any) -> Any: ...
    def __floordiv__(self, other: Any) -> Any: ...
    def __rfloordiv__(self, other: Any) -> Any: ...
    def __mod__(self, other: Any) -> Any: ...
    def __rmod__(self, other: Any) -> Any: ...
    def __pow__(self, other: Any) -> Any: ...
    def __rpow__(self, other: Any) -> Any: ...
    def __matmul__(self, other: Any) -> Any: ...
    def __rmatmul__(self, other: Any) -> Any: ...
    def __and__(self, other: Any) -> Any: ...
    def __rand__(self, other: Any) -> Any: ...
    def __or__(self, other: Any) -> Any: ...
    def __ror__(self, other: Any) -> Any: ...
    def __xor__(self, other: Any) -> Any: ...
    def __rxor__(self, other: Any) -> Any: ...
    def __lt__(self, other: Any) -> Any: ...
    def __le__(self, other: Any) -> Any: ...
    def __gt__(self, other: Any) -> Any: ...
    def __ge__(self, other: Any) -> Any: ...
    def __neg__(self) -> Any: ...
    def __invert__(self) -> Any: ...
    def __abs__(self) -> Any: ...
    def __getitem__(self, key: Any) -> Any: ...
    def __round__(self, ndigits: int = 0) -> Any: ...
