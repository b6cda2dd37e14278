"""Optimizers that follow the gradient or its sign: SGD, Lion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import LearningRate, NoArguments


@builtin("optimizers")
class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    m = momentum m - learning_rate g, w += m; nesterov: w += momentum m - learning_rate g.

    Args:
        learning_rate: float, schedule or function.
        momentum: float in [0, 1]; 0 keeps no state.
        nesterov: look ahead along the momentum.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.

    >>> SGD(0.5).get_config()["momentum"]
    0.0
    """

    kind = "sgd"
    _fields = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
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
        self.momentum = momentum
        self.nesterov = nesterov
        if not isinstance(momentum, float) or not 0 <= momentum <= 1:
            raise ValueError(f"SGD(momentum): expected a float from 0 to 1, got {momentum!r}")

    def slot_groups(self) -> Any:
        return [["momentum"]] if self.momentum != 0 else []


@builtin("optimizers")
class Lion(Optimizer):
    """Steps of one size in the direction of the sign of a momentum.

    w -= learning_rate sign(beta_1 m + (1 - beta_1) g), m = beta_2 m + (1 - beta_2) g.
    X. Chen et al., "Symbolic discovery of optimization algorithms" (2023).

    Args:
        learning_rate: float, schedule or function.
        beta_1: share of the momentum in a step, in (0, 1].
        beta_2: decay of the momentum.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "lion"
    _fields = ("beta_1", "beta_2")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
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
        if not 0 < beta_1 <= 1:
            raise ValueError(
                f"Lion(beta_1): expected a number in (0, 1], got {beta_1!r}; 0 is sign SGD"
            )

    def slot_groups(self) -> Any:
        return [["momentum"]]
