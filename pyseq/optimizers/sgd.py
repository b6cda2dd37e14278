"""Optimizers that follow the gradient or its sign: SGD, Lion."""

from __future__ import annotations

from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin


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
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
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

    def slot_groups(self):
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
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.99,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
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

    def slot_groups(self):
        return [["momentum"]]
