"""Optimizers with a step size for each weight from past gradients: RMSprop and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import initializers
from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import LearningRate, NoArguments


@builtin("optimizers")
class RMSprop(Optimizer):
    """Gradient divided by a moving root mean square of it (T. Tieleman, G. Hinton, 2012).

    v = rho v + (1 - rho) g^2, w -= learning_rate g / sqrt(v + epsilon).

    Args:
        learning_rate: float, schedule or function.
        rho: decay of the mean square.
        momentum: decay of the sum of steps, 0 for none.
        epsilon: added under the root.
        centered: subtract the square of the mean gradient under the root.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.

    >>> round(float(RMSprop().learning_rate), 4)
    0.001
    """

    kind = "rmsprop"
    _fields = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def slot_groups(self) -> Any:
        groups = [["velocity"]]
        if self.momentum > 0:
            groups.append(["momentum"])
        if self.centered:
            groups.append(["average_gradient"])
        return groups


@builtin("optimizers")
class Adagrad(Optimizer):
    """Gradient divided by the root of the sum of its squares.

    a += g^2, w -= learning_rate g / sqrt(a + epsilon). J. Duchi et al., "Adaptive
    subgradient methods" (2011).

    Args:
        learning_rate: float, schedule or function.
        initial_accumulator_value: start of the sum.
        epsilon: added under the root.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "adagrad"
    _fields = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def attributes(self) -> Any:
        return {"epsilon": float(self.epsilon)}

    def slot_groups(self) -> Any:
        return [["accumulator"]]

    def initial_slot(self, name: str, variable: Any) -> Any:
        return initializers.Constant(self.initial_accumulator_value)


@builtin("optimizers")
class Adadelta(Optimizer):
    """Steps in the unit of the weights: a ratio of two moving root mean squares.

    a = rho a + (1 - rho) g^2, e = -sqrt(d + epsilon) / sqrt(a + epsilon) g,
    d = rho d + (1 - rho) e^2, w += learning_rate e. M. D. Zeiler (2012).

    Args:
        learning_rate: float, schedule or function.
        rho: decay of both.
        epsilon: added under the roots.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "adadelta"
    _fields = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.rho = rho
        self.epsilon = epsilon

    def slot_groups(self) -> Any:
        return [["accumulated_grad", "accumulated_delta_var"]]


@builtin("optimizers")
class Adafactor(Optimizer):
    """Mean squares of a matrix kept as one number for each row and column.

    N. Shazeer, M. Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (2018).

    Args:
        learning_rate: float, schedule or function.
        beta_2_decay: exponent of the step in the decay rate 1 - t^beta_2_decay.
        epsilon_1: added to squared gradients.
        epsilon_2: least scale of a step.
        clip_threshold: bound of the root mean square of a step.
        relative_step: accepted as in Keras, where a step is at most 1 / sqrt(t) either way.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "adafactor"
    _fields = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: Any = 1.0,
        relative_step: bool = True,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def attributes(self) -> Any:
        fields = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold")
        return {field: float(getattr(self, field)) for field in fields}

    def build_slots(self, variables: Any) -> None:
        for variable in variables:
            if variable.ndim < 2:
                # Files hold two unused integers for variables that are not factored.
                for _ in range(2):
                    self.add_placeholder(variable.name)
                slots = []
            else:
                shape = variable.shape
                shapes = (shape[:-1], (*shape[:-2], shape[-1]))
                slots = [
                    self.add_variable(s, "zeros", variable.dtype, variable.name) for s in shapes
                ]
            slots.append(self.add_variable_from_reference(variable, "velocity"))
            self._slots[variable] = slots

    def add_placeholder(self, name: str) -> Any:
        """Track a scalar that is saved but never used."""
        return self._state(0, "int32", name)


@builtin("optimizers")
class Ftrl(Optimizer):
    """Follow the regularized leader: sparse weights for wide linear models.

    H. B. McMahan et al., "Ad click prediction: a view from the trenches" (2013).

    Args:
        learning_rate: float, schedule or function.
        learning_rate_power: exponent of the accumulated squares in the step size, <= 0.
        initial_accumulator_value: start of the accumulated squares, >= 0.
        l1_regularization_strength, l2_regularization_strength: penalties, >= 0.
        l2_shrinkage_regularization_strength: penalty on the size of the gradient's step, >= 0.
        beta: added to the l2 penalty as beta / (2 learning_rate).
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "ftrl"
    _fields = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: Any = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for field in self._fields[1:5]:
            if getattr(self, field) < 0:
                raise ValueError(
                    f"Ftrl({field}): expected a number >= 0, got {getattr(self, field)!r}"
                )
        if learning_rate_power > 0:
            raise ValueError(
                f"Ftrl(learning_rate_power): expected a number <= 0, got {learning_rate_power!r}"
            )

    def attributes(self) -> Any:
        attributes = super().attributes()
        del attributes["initial_accumulator_value"]
        return attributes

    def slot_groups(self) -> Any:
        return [["accumulator", "linear"]]

    def initial_slot(self, name: str, variable: Any) -> Any:
        if name == "linear":
            return "zeros"
        return initializers.Constant(self.initial_accumulator_value)
