"""`Model`: compile, fit, evaluate, predict, and what belongs to them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, results, revision, symbolic
from pyseq.layers import call_context
from pyseq.layers.base import Layer
from pyseq.layers.core import InputLayer
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.registry.registration import builtin
from pyseq.training import predicting, text
from pyseq.training.checking import Checking
from pyseq.training.compilation import Compilation
from pyseq.training.data import fit_rank, to_rows, unwrap
from pyseq.training.files import Files
from pyseq.training.fitting import Fitting
from pyseq.training.own_steps import OwnSteps
from pyseq.training.prediction import Prediction
from pyseq.training.programs import Programs
from pyseq.training.resuming import Progress, Resuming
from pyseq.training.single_batches import SingleBatches
from pyseq.training.state_trees import StateTrees

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.callbacks.history import History
    from pyseq.optimizers.optimizer import Optimizer
    from pyseq.types import ModelArguments, Tensor


class _ModelType(type):
    if not TYPE_CHECKING:  # checkers go by `__init__`

        def __call__(cls, *args, **kwargs):
            if cls is not Model:
                return super().__call__(*args, **kwargs)
            return hooks.ask("straight_model", *args, **kwargs)


@builtin("", aliases=("models.Model",))
class Model(
    Compilation,
    Checking,
    Programs,
    Fitting,
    Resuming,
    Prediction,
    SingleBatches,
    Files,
    StateTrees,
    OwnSteps,
    Layer,
    metaclass=_ModelType,
):
    """Base class of models: the training loop around a stack of layers.

    `Model(inputs, outputs)` makes a `Sequential` of the layers between two symbolic tensors, such
    as `model.input` and `model.get_layer(name).output`; the layers are shared.

    A subclass defines `call(inputs)`, with its layers as attributes: like a layer's, the code is
    called once with symbolic tensors and becomes part of the compiled step.
    """

    optimizer: Optimizer
    loss: Any
    history: History

    def __init__(
        self,
        *args: Any,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Unpack[ModelArguments],
    ) -> None:
        if args or "inputs" in kwargs or "outputs" in kwargs:
            raise TypeError(
                f"{type(self).__name__}: expected a subclass of Model that defines `call`, got "
                "symbolic inputs and outputs; use Model(inputs, outputs) itself or Sequential"
            )
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._input_batch_shape = None
        self._output_batch_shape = None
        self._programs = {}
        self._predictors = {}
        self._noted_objects = self._step_parts = None
        # The last answer of `predict` in short: (revision, function, runner).
        self._quick = None
        self._found_metrics = None
        self._random_step = 0
        self._progress = Progress()
        self.optimizer = None
        self._compile_config = None
        self._compiled_metrics = None
        self._compiled_loss = None
        self.loss = None
        # Where BackupAndRestore found that training stopped.
        self._initial_epoch = None
        self.stop_training = False
        self.stop_evaluating = False
        self.stop_predicting = False
        self.history = None
        self.run_eagerly = False
        self.steps_per_execution = 1
        self.jit_compile = True

    _unnoted = frozenset(
        "compiled history jit_compile loss optimizer run_eagerly steps_per_execution "
        "stop_evaluating stop_predicting stop_training".split()
    )

    def _note_change(self, name):
        if name == "optimizer":
            revision.touch_object()
        super()._note_change(name)

    def __getstate__(self):
        empty = {"_programs": {}, "_predictors": {}, "_quick": None, "_found_metrics": None}
        return {**super().__getstate__(), **empty, "_noted_objects": None, "_step_parts": None}

    def _for_predicting(self) -> Any:
        """A copy that shares the layers and knows nothing of training: what a worker needs."""
        twin = copy.copy(self)
        vars(twin).update(
            optimizer=None,
            loss=None,
            history=None,
            compiled=False,
            _calls=0,
            _compile_config=None,
            _compiled_loss=None,
            _compiled_metrics=None,
            _progress=Progress(),
        )
        return twin

    def mark_built(self) -> None:
        """A model is built for the shape of its input."""

    # --- layers and shapes

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without the InputLayer."""
        return [layer for layer in self._children() if not isinstance(layer, InputLayer)]

    def _attributes(self):
        # A layer is found under the name that sorts first.
        return {**vars(self), "layers": self.layers}

    @property
    def output_layer(self) -> Any:
        """The layer whose output is the model's; None where `call` decides that."""
        return None

    def handed_out(self, y: Tensor, x: Tensor = None) -> Any:
        """A model hands on what its last layer gives."""
        return y

    def build(self, input_shape: Any) -> None:
        """Build the layers that `call` uses for `input_shape`, the batch included."""
        self._input_batch_shape = tuple(input_shape)
        self._output_batch_shape = self.compute_output_shape(self._input_batch_shape)
        self.built = True

    def _known(self, what, value):
        if value is None:
            raise AttributeError(
                f"{self.name}.{what}: expected a built model, got one that has not seen its input "
                "shape; put `Input(shape)` first or call `build(input_shape)`"
            )
        return value

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return self._known("input_shape", self._input_batch_shape)

    @property
    def output_shape(self) -> Any:
        return self._known("output_shape", self._output_batch_shape)

    def _build_for(self, shape):
        if self.built:
            self.check_input(shape)
            return
        if self._legacy_input_shape is None:
            self.build((None, *shape[1:]) if not self._is_stateful() else tuple(shape))
            if self._input_batch_shape is None:  # a subclass has a `build` of its own
                Model.build(self, (None, *shape[1:]))

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Run the model on an array `(n, ...)`; returns a NumPy array (or a list of them)."""
        if not args and not kwargs:
            y = predicting.quick_call(self, inputs)
            if y is not None:
                return results.handed(y)
        if not isinstance(inputs, KerasTensor) and symbolic.trace.get() is None:
            where = f"{self.name}: inputs"
            if self._reads_text(inputs):
                inputs = self._enter(self._rows(inputs, where))
            else:
                if isinstance(inputs, (list, tuple, dict)) and len(inputs) == 1:
                    inputs = unwrap(inputs, where)
                inputs = fit_rank(np.asarray(inputs), self._input_batch_shape)
        return super().__call__(inputs, *args, **kwargs)

    def _answered_by(self, runner):
        if call_context.current() is None:
            predicting.keep_quick(self, runner)

    # --- data

    def _text_layers(self):
        """The leading layers that texts go through ahead of the program."""
        return []

    def _reads_text(self, x):
        """Whether the model begins with layers that make numbers of text, such as `x`."""
        return False

    def _rows(self, x, where):
        """Data as rows of the rank that the model takes; errors say `where`."""
        x = text.to_texts(x, where) if self._reads_text(x) else to_rows(unwrap(x, where), where)
        return fit_rank(x, self._input_batch_shape)

    def _enter(self, x, late=False):
        """Build for such rows and return what the program takes: numbers, with `late` perhaps as
        `LateRows`."""
        self._build_for(x.shape)
        return text.read(self, x, late) if self._text_layers() else x

    # --- what models answer

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer called `name`, or number `index`."""
        if (name is None) == (index is None):
            raise ValueError(
                f"{self.name}.get_layer: expected name or index, got name={name!r}, index={index!r}"
            )
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(
                    f"{self.name}.get_layer: expected an index below {len(self.layers)}, got "
                    f"{index}"
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"{self.name}.get_layer: expected one of {[layer.name for layer in self.layers]}, got "
            f"{name!r}"
        )

    def reset_states(self) -> None:
        """Set the state of all stateful layers back to zero."""
        for layer in self._flatten():
            if layer is not self and getattr(layer, "stateful", False):
                layer.reset_states()
