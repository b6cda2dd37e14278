"""Annotations that many modules share; read by editors and type checkers only.

Modules import it under `if TYPE_CHECKING:`, so that nothing of it is loaded when pyseq runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

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

# An array, a number or lists of them, a Variable, a KerasTensor, a tensor of a trace: what `call`
# is given, and what comes of it, depends on who calls.
Tensor: TypeAlias = Any
# Arrays, lists, data frames, generators, data sets.
Data: TypeAlias = Any
Array: TypeAlias = NDArray[Any]
Split: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]

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


class PlainLayerArguments(TypedDict, total=False):
    """What the base class takes in the `**kwargs` of every layer."""

    name: str | None
    trainable: bool
    dtype: DTypeLike
    autocast: bool
    input_shape: int | Shape
    batch_input_shape: Shape
    batch_shape: Shape
    batch_size: int | None
    input_dim: int
    input_length: int


class LayerArguments(PlainLayerArguments, total=False):
    """The same of layers that do not name `activity_regularizer` themselves."""

    activity_regularizer: RegularizerLike
