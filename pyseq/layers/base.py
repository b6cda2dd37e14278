"""The base class of all layers: names, weights, configuration, lowering and direct calls."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtype_policies, dtypes, hooks, naming, regularizers, revision, symbolic
from pyseq.layers import arguments
from pyseq.layers.added_losses import AddsLosses
from pyseq.layers.calls import Called
from pyseq.layers.configuration import Configured
from pyseq.layers.shapes import trial_output_shape
from pyseq.layers.weights import Weighted
from pyseq.registry.registration import to_snake_case
from pyseq.signatures import parameters_of, taken_by
from pyseq.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self, Unpack

    from pyseq.types import Config, DTypeLike, FirstLayerArguments, RegularizerLike, Shape, Tensor

_LEGACY_SHAPE_ARGUMENTS = ("input_shape", "batch_input_shape", "batch_shape", "input_dim")


_NONE = object()


class Layer(Weighted, AddsLosses, Called, Configured):
    """Base class of all layers.

    A layer is configured by its constructor, creates weights in `build(input_shape)`, infers
    shapes in `compute_output_shape(input_shape)` and appends its ops to a program in
    `lower(graph, x)`. A user's subclass defines `call(inputs)` instead: with operators, functions
    of `pyseq.ops` or NumPy and other layers it becomes part of the program and trains; other
    Python code runs as it is, without a gradient.

    Args:
        activity_regularizer: regularizer of the output, divided by the number of rows.
        trainable: whether the optimizer updates the weights.
        dtype: name of a dtype or a `DTypePolicy`.
        name: unique name within a model; made from the class name by default.
    """

    name: str
    input_spec: Any
    activity_regularizer: Any
    row_coupling: str | None

    # "pass": the mask goes on to the next layer; "drop": it ends here with a warning;
    # "consume": the layer uses it up.
    mask_policy = "drop"

    @property
    def text_policy(self) -> Any:
        """What the layer does with arrays of text, as one of the first layers of a Sequential.

        "read": makes numbers of them; "either": makes numbers of text and of numbers; "pass":
        code that may hand text on; "write": makes text of numbers; None: takes numbers only. A
        subclass whose `call` reads text sets "read"; it runs on the host, ahead of the program.
        """
        return "pass" if self._runs_call() else None

    # Whether the rows of a batch act on each other: None, "training" or "always".
    row_coupling = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Layers and weights may become attributes before `Layer.__init__` runs.
        layer = super().__new__(cls, *args, **kwargs)
        for known in ("_layers", "_trainable_variables", "_non_trainable_variables"):
            object.__setattr__(layer, known, [])
        return layer

    def __init__(
        self,
        *,
        activity_regularizer: RegularizerLike = None,
        trainable: bool = True,
        dtype: DTypeLike = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Unpack[FirstLayerArguments],
    ) -> None:
        if name is None:
            name = naming.auto_name(to_snake_case(type(self).__name__))
        elif not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"{type(self).__name__}: expected `name` to be a string without '/', got {name!r}"
            )
        self.name = name
        if not isinstance(trainable, (bool, np.bool_)):
            raise ValueError(
                f"{self.name}: expected `trainable` to be True or False, got {trainable!r}"
            )
        self._trainable = bool(trainable)
        self.autocast = autocast
        self.dtype_policy = dtype_policies.get(dtype)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.built = False
        self.input_spec = None
        self._build_input_shape = None
        self._built_by_names = False
        self._losses = []
        self._parent_path = None
        self._runners = {}
        self._tensors = None
        self._calls = 0
        self._states = {}
        self._legacy_input_shape = self._take_legacy_shape(kwargs)
        if kwargs:
            raise ValueError(
                f"{self.name}: expected arguments of {type(self).__name__}, got unknown "
                f"{sorted(kwargs)}; {naming.misspelt_arguments(type(self), kwargs)}"
            )

    def _take_legacy_shape(self, kwargs):
        given = [k for k in _LEGACY_SHAPE_ARGUMENTS if kwargs.get(k) is not None]
        shape = None
        for key in given:
            value = kwargs[key]
            if key == "input_dim":
                shape = (None, int(value))
            elif key == "input_shape":
                shape = (None, *(value if isinstance(value, (tuple, list)) else (value,)))
            else:
                shape = tuple(value)
        if kwargs.get("input_length") is not None and "input_dim" in given:
            shape = (None, int(kwargs["input_length"]), int(kwargs["input_dim"]))
        if shape is not None and kwargs.get("batch_size") is not None:
            shape = (int(kwargs["batch_size"]), *shape[1:])
            del kwargs["batch_size"]
        for key in (*_LEGACY_SHAPE_ARGUMENTS, "input_length"):
            kwargs.pop(key, None)
        return shape

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _recording_build(cls.__dict__["build"])

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __setattr__(self, key, value):
            if self._is_complete and not self._stays_open:
                self._check_late(key, value)
            if isinstance(value, Layer) and key != "_parent":
                self._children()  # lists that have grown come before it
                self._track(value)
            elif isinstance(value, Variable):
                self._track_variable(value)
            elif key == "dtype_policy":
                value = dtype_policies.get(value)
            if key == "_trainable":
                revision.touch()
            elif not key.startswith("_") and vars(self).get(key, _NONE) is not value:
                if not isinstance(getattr(type(self), key, None), property):  # it sets what counts
                    self._note_change(key)
            object.__setattr__(self, key, value)

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __getattr__(self, name):
            return hooks.ask("old_attribute", self, name)

    def _track(self, layer):
        if all(layer is not known for known in self._layers):
            self._layers.append(layer)

    def _children(self):
        """The layers within this one: attributes, and items of lists and dicts in attributes."""
        for key, value in vars(self).items():
            if isinstance(value, (list, tuple, dict)) and not key.startswith("_"):
                for layer in layers_in(value):
                    self._track(layer)
        return self._layers

    # --- dtype

    @property
    def dtype(self) -> str:
        return self.dtype_policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        return self.dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        return self.dtype_policy.compute_dtype

    @property
    def input_dtype(self) -> Any:
        """The dtype that inputs of floats are cast to."""
        return self.compute_dtype

    @property
    def handed_dtype(self) -> Any:
        """The dtype that outputs of floats are handed out in."""
        return self.compute_dtype

    def half_in_call(self, x: Tensor) -> Any:
        """The 16-bit dtype that `call` sees a value of floats in, or None."""
        return x.in_dtype(self.compute_dtype).half if self.autocast else x.half

    @property
    def arithmetic_dtype(self) -> Any:
        """What `compute_dtype` is computed in: float32 for 16-bit floats."""
        return dtypes.compute_dtype(self.compute_dtype)

    @property
    def supports_masking(self) -> bool:
        return self.mask_policy != "drop"

    @supports_masking.setter
    def supports_masking(self, value: Tensor) -> None:
        if value != self.supports_masking:
            self.mask_policy = "pass" if value else "drop"

    # --- building and shapes

    _is_building = False

    def _build_at_init(self):
        """Note, at the end of `__init__`, that the layer has all its weights."""
        if type(self).build is Layer.build:
            self.mark_built()

    if TYPE_CHECKING:  # a subclass takes a shape for each of its tensors

        def build(self, *args: Any, **kwargs: Any) -> None: ...

        def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        def build(self, input_shape: Any) -> None:
            self.built = True

        def compute_output_shape(self, input_shape: Any) -> Any:
            if not self._has_code():
                raise NotImplementedError(
                    f"{self.name}: expected a layer that defines `call(inputs)`, got "
                    f"{type(self).__name__}, which does not have a `compute_output_shape` method "
                    "implemented; define one of them in a subclass"
                )
            if type(self).call is Layer.call:
                return tuple(input_shape)
            try:
                return hooks.ask("layer_output_shape", self, tuple(input_shape))
            except Exception:  # code that only works on arrays
                try:
                    return self._trial_shape(input_shape)
                except Exception:
                    if "mask" not in parameters_of(self.call):
                        raise
                try:
                    return self._trial_shape(input_shape, lambda x: x.shape[1:2])
                except Exception:  # within TimeDistributed, a row has one number
                    return self._trial_shape(input_shape, lambda _: ())

    def _trial_shape(self, input_shape, mask_shape=None):
        def call(x):
            mask = None if mask_shape is None else np.ones((len(x), *mask_shape(x)), bool)
            with symbolic.trial():
                more = taken_by(self.call, training=False, mask=mask)
                return self.call(x, **more, **self._context_arguments())

        return trial_output_shape(self.name, call, input_shape, self.arithmetic_dtype)

    def _host_shape(self, input_shape, mask_shape):
        """The output shape of code that runs on arrays alone: that of a trial, or as declared."""
        try:
            return self._trial_shape(input_shape, mask_shape)
        except Exception:  # code that minds the values
            if type(self).compute_output_shape is Layer.compute_output_shape:
                raise
            return tuple(self.compute_output_shape(input_shape))

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic outputs, in their structure, of a call with KerasTensors; builds nothing.

        >>> from pyseq import KerasTensor, layers
        >>> layers.Dense(2).compute_output_spec(KerasTensor((None, 3))).shape
        (None, 2)
        """
        return arguments.output_spec(self, arguments.Arguments(self, args, kwargs))

    def compute_mask(self, inputs: Tensor, previous_mask: Any = None) -> Any:
        return previous_mask if self.mask_policy == "pass" else None

    def get_build_config(self) -> Any:
        shape = self._build_input_shape
        if shape is None:
            return None
        return {"shapes_dict" if self._built_by_names else "input_shape": shape}

    def build_from_config(self, config: Config) -> None:
        if config and isinstance(config.get("shapes_dict"), dict):
            shapes = config["shapes_dict"]
            expected = parameters_of(self.build)
            if not shapes.keys() <= expected:
                raise ValueError(
                    f"{self.name}: expected shapes for {sorted(expected)} to build from, got "
                    f"{sorted(shapes)}; the file belongs to another class"
                )
            self.build(**{name: arguments.as_shapes(shape) for name, shape in shapes.items()})
        elif config and config.get("input_shape") is not None:
            shape = tuple(config["input_shape"])
            self.check_input(shape)
            self.build(shape)

    # --- lowering

    def program_dtype(self) -> Any:
        """The float dtype of a program of this layer and those in it: one for all of them."""
        floats = {v.stored_dtype: v.path for v in self.weights if v.is_float}
        if len(floats) > 1:
            raise ValueError(
                f"{self.name}: expected one float dtype for all layers of a model, got float64 "
                f"({floats['float64']}) beside float32 ({floats['float32']}); set dtype='float64' "
                "in each layer, or config.set_floatx('float64') before the first"
            )
        if not floats:
            return "float64" if self.dtype == "float64" else "float32"
        return next(iter(floats))

    def input_program_dtype(self) -> Any:
        """The dtype of the inputs of a program of this layer; None for the program's floats."""
        return None

    def read_text(self, x: Tensor) -> Any:
        """The output for an array of texts."""
        if self.text_policy is None:
            raise TypeError(
                f"{self.name}: expected numbers, got text; put a layer that reads text before it, "
                "such as TextVectorization or StringLookup"
            )
        return np.asarray(self.call(x, **taken_by(self.call, training=False, mask=None)))

    def integer_dtype(self) -> Any:
        """The dtype of the output where it is integers, else None."""
        return None

    def lower_rows(self, g: Any, x: Tensor) -> Any:
        """`emit` for rows of data, which have been through the leading layers that read text."""
        return self.emit(g, x)

    def lower(self, g: Any, x: Tensor) -> Any:
        """Append this layer's ops to graph `g` and return the output value."""
        if type(self).call is Layer.call:
            raise ValueError(
                f"{self.name}: expected a layer that defines `lower(graph, x)` or `call(inputs)`, "
                f"got {type(self).__name__} with neither"
            )
        try:
            return hooks.ask("lower_call", self, g, x, self._makes_mask())
        except Exception as problem:
            self.check_host(g, problem)
            mask_shape = None if x.mask is None else lambda _: x.mask.shape
            shape = self._host_shape((g.batch_size, *x.shape), mask_shape)[1:]
            call = functools.partial(self.call, **self._context_arguments())
            y = self.lower_on_host(g, call, x, shape, half=self.half_in_call(x))
            return self.pass_mask(self.handed_out(y), x)

    def lower_on_host(
        self,
        g: Any,
        function: Callable[..., Any],
        x: Tensor,
        shape: Shape,
        dtype: DTypeLike = None,
        half: Any = None,
    ) -> Any:
        """Append a call of `function(array)`, with `training` and `mask` where it takes them.

        The result has `shape` for each row, and the integer `dtype` where that is given. With
        `half` the array is one of these 16-bit floats.
        """
        if g.portable:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected a built-in layer to export, got a "
                f"Python function; {g.portable} cannot run it"
            )
        training = g.training
        cast = functools.partial(dtypes.rounded, dtype=half) if half else np.asarray
        if x.mask is None or "mask" not in parameters_of(function):
            more = taken_by(function, training=training, mask=None)
            return g.host(lambda a: function(cast(a), **more), x, shape, self.name, dtype)
        more = taken_by(function, training=training)
        return g.host(
            lambda a, mask: function(cast(a), mask=mask != 0, **more), [x, x.mask], shape,
            self.name, dtype,
        )

    def check_host(self, g: Any, problem: Any) -> None:
        """Raise a ValueError where Python code that could not be traced would need a gradient."""
        if g.training and any(v.trainable for v in (*g.variables, *self.trainable_weights)):
            raise ValueError(
                f"{self.name}: expected code that can be traced, because weights in it or before "
                f"it train; {problem}"
            ) from problem

    def _has_code(self):
        """Whether the class says what the layer does."""
        return type(self).call is not Layer.call or type(self).lower is not Layer.lower

    def _runs_call(self):
        """True where a user's class defines `call` and no `lower` of its own."""
        for cls in type(self).__mro__:
            if cls is Layer or "lower" in vars(cls):
                return False
            if "call" in vars(cls):
                return not self._as_built_in
        return False

    def _reads_mask(self):
        if not self._runs_call():
            return False
        return self._makes_mask() or "mask" in parameters_of(self.call)

    def _makes_mask(self):
        return type(self).compute_mask is not Layer.compute_mask

    def emit(self, g: Any, x: Tensor, activity: bool = True) -> Any:
        """Check the input, build if needed, lower, and add the activity regularizer."""
        with self.scope():
            return self._emit(g, x, activity)

    def _emit(self, g, x, activity):
        shape = (g.batch_size, *x.shape)
        self.check_input(shape)
        if not self.built:
            self.build(shape)
        if x.mask is not None and self.mask_policy == "drop" and not self._reads_mask():
            warnings.warn(
                f"{self.name}: the mask of its input ends here, because {type(self).__name__} "
                "does not use masks",
                stacklevel=2,
            )
        if self._runs_call():
            y = Layer.lower(self, g, x)
        else:
            y = self.handed_out(self.lower(g, x), x)
        if activity and self.activity_regularizer is not None:
            g.note_activity(self, y)
            if g.losses:
                y = self._regularize_activity(g, y)
        return y

    def _regularize_activity(self, g, y):
        if isinstance(y, (list, tuple)):
            return type(y)([self._regularize_activity(g, y[0]), *y[1:]])
        if not regularizers.is_compiled(self.activity_regularizer):
            hooks.ask("lower_activity", g, self.activity_regularizer, y, self.name)
            return y
        description = self.activity_regularizer.lower()
        if y.fold > 1:
            # One loss for each time step, divided by the rows of the batch alone.
            description = {
                k: v * y.fold if isinstance(v, float) else v for k, v in description.items()
            }
        out = g.op("activity_regularizer", y, y.shape, name=self.name, **description)
        return out.with_mask(y.mask)

    def handed_out(self, y: Tensor, x: Tensor = None) -> Any:
        """A value, or a list of them, handed out in the dtype of the layer's outputs.

        With `autocast=False` floats `x` keep their own: that of the outputs, but for weights.
        """
        if isinstance(y, (list, tuple)):
            return type(y)(self.handed_out(part, x) for part in y)
        dtype = self.handed_dtype
        if x is not None and not self._casts_itself:
            if not self.autocast and self.keeps_floats():
                dtype = x.half
            elif not self.autocast and x.dtype is None and x.half != dtype:
                dtype = None
            elif dtype == self.variable_dtype and dtype in dtypes.HALF_DTYPES:
                # A policy that came after the weights leaves them as they are.
                known = [v.dtype for v in self._trainable_variables if v.is_float]
                dtype = "float32" if known and dtype not in known else dtype
        return y.in_dtype(dtype)

    # Whether outputs are of the layer's dtype whatever `autocast` says.
    _casts_itself = False

    def keeps_floats(self) -> Any:
        """Whether outputs have the float dtype of the inputs: nothing casts, nor do weights."""
        casts = self.autocast or self._casts_itself
        return not casts and not any(v.is_float for v in self.weights)

    def pass_mask(self, y: Tensor, x: Tensor) -> Any:
        """Give `y` the mask of `x` if this layer passes masks."""
        return y.with_mask(x.mask if self.mask_policy == "pass" else None)

    def check_place(self) -> None:
        """Raise a ValueError if this layer cannot stand among the layers of a model."""

    def check_input(self, shape: Shape) -> None:
        """Raise a ValueError naming this layer if it cannot take an input of `shape`."""
        spec = self.input_spec
        if spec is None:
            return
        spec.check(self.name, shape)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def layers_in(value):
    """The layers in a list, tuple or dict, and in those within it."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, Layer):
            yield item
        elif isinstance(item, (list, tuple, dict)):
            yield from layers_in(item)


def _recording_build(build):
    @functools.wraps(build)
    def wrapper(self, *args, **kwargs):
        outer, outermost = not self.built, not self._is_building
        self._is_building = True
        try:
            with self.scope():
                result = build(self, *args, **kwargs)
        finally:
            self._is_building = not outermost
        self._is_complete = outermost
        if outer:
            _note_shapes(self, build, args, kwargs)
        self.built = True
        return result

    return wrapper


def _note_shapes(layer, build, args, kwargs):
    """Keep what a layer was built with, for files: one shape, or several by their names."""
    shapes = inspect.signature(build).bind(layer, *args, **kwargs).arguments
    shapes = {k: v for k, v in list(shapes.items())[1:] if v is not None}
    if len(shapes) > 1:
        layer._build_input_shape = shapes
        layer._built_by_names = True
    for shape in shapes.values() if len(shapes) == 1 else ():
        layer._build_input_shape = shape if isinstance(shape, dict) else tuple(shape)


# Subclasses without a `build` of their own record their input shape too.
Layer.build = _recording_build(Layer.build)
