"""Muon: orthogonalized momentum for matrices, AdamW for everything else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import LearningRate, NoArguments


@builtin("optimizers")
class Muon(Optimizer):
    """Momentum whose singular values are pushed to 1, for the matrices of hidden layers.

    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); step size
    after J. Liu et al., "Muon is scalable for LLM training" (2025). Variables that are not
    matrices, and the excluded ones, are updated by `AdamW`.

    Args:
        learning_rate: float, schedule or function.
        adam_beta_1, adam_beta_2, epsilon: of AdamW.
        adam_weight_decay: weight decay of AdamW's variables, or None.
        exclude_layers: regular expressions; variables whose path one of them matches go to AdamW.
        exclude_embeddings: variables with "embedding" in their path go to AdamW.
        muon_a, muon_b, muon_c: coefficients of the Newton-Schulz polynomial.
        adam_lr_ratio: learning rate of AdamW over that of the matrices.
        momentum, nesterov: as in `SGD`.
        ns_steps: Newton-Schulz steps.
        rms_rate: root mean square of a step over the learning rate; None leaves the step as it is.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name: see
            `Optimizer`.
    """

    kind = "muon"
    _fields = (
        "adam_beta_1",
        "adam_beta_2",
        "epsilon",
        "exclude_layers",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "exclude_embeddings",
        "adam_weight_decay",
        "rms_rate",
    )

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        exclude_layers: Any = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float = 0.2,
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
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = exclude_layers or []
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def attributes(self) -> Any:
        floats = (
            "adam_beta_1",
            "adam_beta_2",
            "epsilon",
            "muon_a",
            "muon_b",
            "muon_c",
            "adam_lr_ratio",
            "momentum",
        )
        attributes = {name: float(getattr(self, name)) for name in floats}
        attributes["ns_steps"] = int(self.ns_steps)
        attributes["nesterov"] = bool(self.nesterov)
        # The two kinds of variables decay differently, so the compiled update applies the factors.
        attributes["weight_decay"] = float(self.weight_decay or 0)
        attributes["adam_weight_decay"] = float(self.adam_weight_decay or 0)
        if self.rms_rate is not None:
            attributes["rms_rate"] = float(self.rms_rate)
        return attributes

    def _decay_factor(self):
        return 1.0

    def _should_use_adamw(self, variable):
        if variable.ndim != 2:
            return True
        if self.exclude_embeddings and "embedding" in variable.path.lower():
            return True
        return any(re.search(keyword, variable.path) for keyword in self.exclude_layers)

    def build_slots(self, variables: Any) -> None:
        for variable in variables:
            slots = [self.add_variable_from_reference(variable, "momentum")]
            if self._should_use_adamw(variable):
                slots.append(self.add_variable_from_reference(variable, "velocity"))
            self._slots[variable] = slots
