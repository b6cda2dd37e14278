"""Adam and the optimizers that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import LearningRate, NoArguments


@builtin("optimizers")
class Adam(Optimizer):
    """Mean gradient divided by the root of the mean square, both corrected for their start at 0.

    w -= learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon). D. P. Kingma,
    J. Ba (2015), with epsilon outside the correction of v, as in Keras.

    Args:
        learning_rate: float, schedule or function.
        beta_1: decay of the mean gradient m.
        beta_2: decay of the mean square v.
        epsilon: added to the root of v.
        amsgrad: divide by the largest v so far (S. J. Reddi et al., 2018).
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.

    >>> from pyseq import Variable
    >>> w = Variable([1.0, 1.0])
    >>> Adam(0.5).apply([[1.0, -2.0]], [w])
    >>> w.numpy().round(3)
    array([0.5, 1.5], dtype=float32)
    """

    kind = "adam"
    _fields = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def slot_groups(self) -> Any:
        groups = [["momentum", "velocity"]]
        return [*groups, ["velocity_hat"]] if self.amsgrad else groups


@builtin("optimizers")
class AdamW(Adam):
    """`Adam` with weight decay (I. Loshchilov, F. Hutter, 2019).

    Args:
        learning_rate: float, schedule or function.
        beta_1: decay of the mean gradient m.
        beta_2: decay of the mean square v.
        epsilon: added to the root of v.
        amsgrad: divide by the largest v so far.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
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
        if self.weight_decay is None:
            raise ValueError("AdamW(weight_decay): expected a number, got None; use Adam instead")


@builtin("optimizers")
class Adamax(Optimizer):
    """`Adam` with the largest decayed magnitude in place of the root mean square.

    u = max(beta_2 u, |g|), w -= learning_rate m / ((1 - beta_1^t)(u + epsilon)). Kingma, Ba (2015).

    Args:
        learning_rate: float, schedule or function.
        beta_1: decay of the mean gradient m.
        beta_2: decay of the largest magnitude u.
        epsilon: added to u.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "adamax"
    _fields = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def slot_groups(self) -> Any:
        return [["momentum", "norm"]]


@builtin("optimizers")
class Nadam(Optimizer):
    """`Adam` with Nesterov momentum (T. Dozat, 2016).

    Args:
        learning_rate: float, schedule or function.
        beta_1: decay of the mean gradient m.
        beta_2: decay of the mean square v.
        epsilon: added to the root of v.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "nadam"
    _fields = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def slot_groups(self) -> Any:
        return [["momentum", "velocity"]]

    def build_slots(self, variables: Any) -> None:
        super().build_slots(variables)
        dtype = variables[0].dtype if variables else None
        self._u_product = self._state(1.0, dtype, "variable")

    def advance(self, steps: Any) -> None:
        super().advance(steps)
        self._u_product.assign(self._momentum_product(int(self.iterations)))

    def before_update(self) -> None:
        self._u_product.assign(self._momentum_product(int(self.iterations) + 1))

    def _momentum_product(self, steps):
        """The product of the momenta beta_1 (1 - 0.96^i / 2) of the first steps."""
        product = self.beta_1**steps
        for i in range(1, min(steps, 1000) + 1):  # later factors are 1 in double precision
            product *= 1 - 0.5 * 0.96**i
        return product


@builtin("optimizers")
class Lamb(Optimizer):
    """`Adam` steps scaled to the norm of each variable, for large batches.

    Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (2019).

    Args:
        learning_rate: float, schedule or function.
        beta_1: decay of the mean gradient m.
        beta_2: decay of the mean square v.
        epsilon: added to the root of v.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "lamb"
    _fields = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def slot_groups(self) -> Any:
        return [["momentum", "velocity"]]


@builtin("optimizers")
class ScheduleFreeAdamW(Optimizer):
    """`AdamW` that averages its iterates instead of decaying its learning rate.

    A. Defazio et al., "The road less scheduled" (2024). The slot "momentum" holds the iterate z.

    Args:
        learning_rate: float, schedule or function.
        beta_1: share of the average in the point where gradients are taken.
        beta_2: decay of the mean square.
        epsilon: added to its root.
        warmup_steps: steps over which the learning rate grows from 0.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "schedule_free_adamw"
    _fields = ("beta_1", "beta_2", "epsilon", "warmup_steps")

    def __init__(
        self,
        learning_rate: LearningRate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def slot_groups(self) -> Any:
        return [["momentum", "velocity"]]

    def start_from_weights(self) -> None:
        for variable in self._trainable_variables:
            self.slots_for(variable)[0].assign(variable)
