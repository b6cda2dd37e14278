"""Mistakes in models and data, found before they cost an hour.

Each check is one small function with a code. To add one, write it into the file of its topic:
`output.py` (PS1xx), `targets.py` and `labels.py` (PS2xx), `inputs.py`, `values.py` and
`splits.py` (PS3xx), `training.py` (PS4xx) or `network.py` (PS5xx):

    @check("PS150", severity="warning", at=("fit",))
    def what_is_wrong(c):
        '''One line that says what is looked for.

        Why: What happens to those who do not know.

        Fix: What to do.
        '''
        if c.y is not None and ...:
            yield c.place("y"), "expected ..., got ...", "do this"

- `c` is a `Context`: the model's layers (`c.chain`, `c.output`), loss (`c.kind`, `c.attrs`),
  optimizer, data (`c.x`, `c.y`, some rows of them by `c.rows(c.x)`) and `c.predictions`. What is
  not known at the moment is None.
- The moments are those of `registry.MOMENTS`: `compile`; `build` (an input shape is given to a
  compiled model); `fit` and `evaluate`, which have the data, or the first batch of a stream or of
  `train_on_batch`; `validate`, when a `fit` has arrays to validate on (`x_val` and `y_val` in
  `c.details`); `loss`, when the loss of a batch is not finite for the first time (`c.details` says
  in which); `demand`, only in `model.check`, which runs those of all moments.
- `c.place("x")` is the place to name for what is wrong with data: `fit`, or `x` in `model.check`.
- An error is raised as `CheckError`, a ValueError. A warning is given as `CheckWarning`, once for a
  code until the model is compiled again, and once for a code and line of the user's script.
- A mistake that other code meets by itself is a check without moments; that code calls
  `checks.tell("PS350", ...)` or raises `checks.error("PS350", where, message, fix)`.

Then `PYSEQ_UPDATE_DOCS=1 pytest tests/checks` writes `docs/mistakes.md`, and a test in
`tests/checks` holds the exact message; correct models must stay without one.
"""

from pyseq import hooks
from pyseq.checks import inputs, labels, network, output, splits, targets, training, values
from pyseq.checks.context import Context
from pyseq.checks.finding import CheckError, CheckWarning, Finding, Findings
from pyseq.checks.registry import (
    MOMENTS,
    as_findings,
    check,
    error,
    find,
    forget_told,
    known,
    run,
    tell,
)

__all__ = [
    "MOMENTS",
    "CheckError",
    "CheckWarning",
    "Context",
    "Finding",
    "Findings",
    "as_findings",
    "check",
    "error",
    "find",
    "forget_told",
    "inputs",
    "known",
    "labels",
    "network",
    "output",
    "run",
    "splits",
    "targets",
    "tell",
    "training",
    "values",
]


@hooks.answers("tell_finding")
def _tell(code, *args):
    tell(code, *args)


def __dir__() -> list[str]:
    return sorted(__all__)
