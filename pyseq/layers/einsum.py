"""EinsumDense."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyseq import activations, constraints, initializers, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.core import (
    NoLowRank,
    activation_output_shape,
    lower_activation,
    reject_options,
)
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        ActivationLike,
        Config,
        ConstraintLike,
        InitializerLike,
        LayerArguments,
        RegularizerLike,
        Tensor,
    )


class _Equation:
    """An equation of two operands for an input of `rank` dimensions: every axis has a letter."""

    def __init__(self, where, equation, rank):
        match = re.fullmatch(
            r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?",
            equation.replace(" ", ""),
        )
        left, x, right, w, y_left, y, y_right = match.groups() if match else [None] * 7
        if not match or (left is None) != (y_left is None) or (right is None) != (y_right is None):
            raise ValueError(
                f"{where}: expected an equation like 'ab,bc->ac', '...b,bc->...c' or "
                f"'ab...,bc->ac...', got {equation!r}"
            )
        if left and right:
            raise ValueError(f"{where}: expected '...' on one side, got {equation!r}")
        elided = rank - len(x)
        if elided < 0 or (elided > 0 and not (left or right)):
            raise ValueError(
                f"{where}: expected an input of {len(x)} dimensions for {equation!r}, got {rank}"
            )
        # Letters for the elided axes: numbers, which no equation contains.
        extra = [str(i) for i in range(elided)]
        self.x = extra + list(x) if left else list(x) + extra
        self.w = list(w)
        self.y = extra + list(y) if left else list(y) + extra
        self.spec = y
        self.left = bool(left)
        self.elided = elided
        for part in (self.x, self.w, self.y):
            if len(set(part)) < len(part):
                raise ValueError(
                    f"{where}: expected every letter once in an operand, got {equation!r}"
                )
        for letter in self.y:
            if letter not in self.x and letter not in self.w:
                raise ValueError(
                    f"{where}: expected the output letter {letter!r} in the input or the kernel, "
                    f"got {equation!r}"
                )
        for letter in self.w:
            if letter not in self.x and letter not in self.y:
                raise ValueError(
                    f"{where}: expected the kernel letter {letter!r} in the input or the output, "
                    f"got {equation!r}"
                )
        if not self.y or self.y[0] != self.x[0] or self.x[0] in self.w:
            raise ValueError(
                f"{where}: expected the batch first in the input and the output and not in the "
                f"kernel, got {equation!r}"
            )


@builtin("layers")
class EinsumDense(NoLowRank, Layer):
    """activation(einsum(equation, x, kernel) + bias).

    Args:
        equation: like `"abc,cd->abd"`, the batch first; `...` stands for any further axes.
        output_shape: dimensions of one output sample; None where they follow from the input.
        activation: name or function; None is linear.
        bias_axes: letters of the output that the bias has; None for no bias.
        kernel_initializer, bias_initializer: how the weights start: a name or an Initializer.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        kernel_constraint, bias_constraint: what the weights are put through after each update.
        lora_rank, lora_alpha, gptq_unpacked_column_size, quantization_config: as of Keras; only
            None, for there is no LoRA or quantization here.

    Weights: kernel (dimensions in the order of the equation), bias.

    >>> import numpy as np
    >>> EinsumDense("abc,cd->abd", output_shape=(None, 4))(np.ones((2, 3, 5))).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: ActivationLike = None,
        bias_axes: Any = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: Any = None,
        lora_alpha: Any = None,
        gptq_unpacked_column_size: Any = None,
        quantization_config: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        reject_options(
            self.name,
            lora_rank=lora_rank,
            gptq_unpacked_column_size=gptq_unpacked_column_size,
            quantization_config=quantization_config,
        )
        self.equation = equation
        is_integer = hasattr(output_shape, "__index__")
        self.partial_output_shape = (output_shape,) if is_integer else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _analyze(self, input_shape):
        """The equation and the size of every letter for an input of `input_shape`."""
        e = _Equation(self.name, self.equation, len(input_shape))
        given = list(self.partial_output_shape)
        if len(given) != len(e.spec) - (0 if e.left and e.elided else 1):
            raise ValueError(
                f"{self.name}: expected an `output_shape` of {len(e.spec) - 1} dimensions (the "
                f"batch left out) for {self.equation!r}, got {self.partial_output_shape}"
            )
        size = dict(zip(e.x, input_shape, strict=True))
        letters = e.spec if e.left and e.elided else e.spec[1:]
        for letter, d in zip(letters, given, strict=True):
            if letter in size and d is not None and size[letter] not in (d, None):
                raise ValueError(
                    f"{self.name}: expected size {size[letter]} of the input for {letter!r} of "
                    f"`output_shape`, got {d}"
                )
            if size.get(letter) is None:
                size[letter] = d
        return e, size

    def build(self, input_shape: Any) -> None:
        e, size = self._analyze(input_shape)
        unknown = [letter for letter in e.w if size.get(letter) is None]
        if unknown:
            raise ValueError(
                f"{self.name}: expected known sizes for the kernel's {unknown} in "
                f"{self.equation!r}, got input shape {tuple(input_shape)} and output_shape "
                f"{self.partial_output_shape}"
            )
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.kernel = self.add_weight(
            name="kernel",
            shape=tuple(size[letter] for letter in e.w),
            initializer=self._kernel_initializer(e),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.bias_axes is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(e, size),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _kernel_initializer(self, e):
        """The initializer, with fans counted over contracted and output axes."""
        initializer = self.kernel_initializer
        scaling = isinstance(initializer, initializers.VarianceScaling)
        if not scaling or None not in (initializer.input_axes, initializer.output_axes):
            return initializer
        config = dict(initializer.get_config(), seed=initializer.seed)
        config["input_axes"] = [i for i, letter in enumerate(e.w) if letter not in e.y]
        config["output_axes"] = [i for i, letter in enumerate(e.w) if letter in e.y]
        return type(initializer).from_config(config)

    def _bias_shape(self, e, size):
        unknown = [letter for letter in self.bias_axes if letter not in e.spec]
        if unknown:
            raise ValueError(
                f"{self.name}: expected `bias_axes` among the letters {e.spec!r} of the output, "
                f"got {self.bias_axes!r}"
            )
        first = min(e.spec.index(letter) for letter in self.bias_axes)
        shape = [size[c] if c in self.bias_axes else 1 for c in e.spec[first:]]
        if None in shape or e.y[0] in self.bias_axes:
            raise ValueError(
                f"{self.name}: expected `bias_axes` of known sizes without the batch, got "
                f"{self.bias_axes!r}"
            )
        return (*shape, *([1] * (0 if e.left else e.elided)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        e, size = self._analyze(input_shape)
        return activation_output_shape(self.activation, tuple(size.get(c) for c in e.y))

    def lower(self, g: Any, x: Tensor) -> Any:
        e, size = self._analyze((None, *x.shape))
        letters = {letter: i for i, letter in enumerate(dict.fromkeys(e.x + e.w + e.y))}
        y = g.op(
            "einsum_dense",
            x,
            tuple(size[c] for c in e.y[1:]),
            weights=[self.kernel],
            name=self.name,
            x_axes=[letters[c] for c in e.x[1:]],
            w_axes=[letters[c] for c in e.w],
            y_axes=[letters[c] for c in e.y[1:]],
        )
        if self.bias is not None:
            y = g.op("add_bias", y, y.shape, weights=[self.bias], name=self.name)
        return self.pass_mask(lower_activation(g, y, self.activation, self.name), x)

    def get_config(self) -> Config:
        return {
            **Layer.get_config(self),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }
