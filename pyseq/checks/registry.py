"""The table of checks, and what runs those of a moment."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyseq.checks import delivery
from pyseq.checks.finding import Finding, Findings

if TYPE_CHECKING:
    from pyseq.types import T

MOMENTS = ("compile", "build", "fit", "evaluate", "validate", "loss", "demand")


@dataclasses.dataclass(frozen=True)
class Check:
    """A check and its page: `what` is looked for, `why` it matters, `fix`."""

    code: str
    severity: str
    at: tuple
    function: Callable
    what: str
    why: str
    fix: str

    def findings(self, *args):
        """Yield the `Finding`s of the function, called with these arguments."""
        found = self.function(*args)
        if isinstance(found, tuple):
            found = (found,)
        for layer, message, fix in found or ():
            yield Finding(self.code, self.severity, layer, message, fix)


_checks = {}


def check(code: Any, severity: str = "warning", at: Any = ()) -> Callable[[T], T]:
    """Decorator: the function is the check `code`.

    Args:
        code: "PS" and three digits, of which the first stands for the topic.
        severity: `"error"` or `"warning"`.
        at: moments of `MOMENTS` at which it gets a `Context`. `model.check` runs all that have
            one. Without moments, code that meets the mistake calls `tell(code, ...)` with the
            function's own arguments.

    The function returns or yields `(layer, message, fix)`. Its docstring is the entry in
    `docs/mistakes.md`: a line that says what is looked for, `Why: ...` and `Fix: ...`.
    """

    def decorate(function):
        what, why, fix = _page(function)
        if code in _checks:
            raise ValueError(f"check: expected a new code, got {code} twice; count on")
        if severity not in ("error", "warning") or not set(at) <= set(MOMENTS):
            raise ValueError(
                f"check {code}: expected severity 'error' or 'warning' and moments of {MOMENTS}, "
                f"got {severity!r} and {at!r}"
            )
        _checks[code] = Check(code, severity, tuple(at), function, what, why, fix)
        return function

    return decorate


def _page(function):
    text = inspect.getdoc(function) or ""
    what, _, rest = text.partition("\n\nWhy: ")
    why, _, fix = rest.partition("\n\nFix: ")
    if not (what and why and fix):
        raise ValueError(
            f"{function.__name__}: expected a docstring with a line that says what is looked for, "
            f"a paragraph 'Why: ' and one 'Fix: ', got {text!r}"
        )
    return tuple(" ".join(part.split()) for part in (what, why, fix))


def known() -> list[Check]:
    """All checks, by code."""
    return [_checks[code] for code in sorted(_checks)]


def run(context: Any, *moments: Any) -> None:
    """Run the checks of these moments: an error is raised, a warning given."""
    told = told_since_compile(context.model)
    silenced = delivery.silenced
    for each in known():
        if not any(moment in each.at for moment in moments):
            continue
        if each.severity == "warning" and (each.code in told or silenced(each.code)):
            continue
        for finding in each.findings(context):
            delivery.deliver(finding)
            told.add(each.code)


def find(context: Any) -> Findings:
    """All findings of all checks, as `model.check` returns them; errors come first."""
    found = [f for each in known() if each.at for f in each.findings(context)]
    return Findings(sorted(found, key=lambda f: f.severity))


def tell(code: Any, *args: Any) -> None:
    """Deliver what the check `code` makes of these arguments."""
    each = _checks[code]
    for finding in each.findings(*args):
        delivery.deliver(finding)


def as_findings(code: Any, *args: Any) -> Findings:
    """`Findings` that the check `code` makes of these arguments."""
    return Findings(_checks[code].findings(*args))


def error(code: Any, layer: Any, message: Any, fix: Any) -> delivery.CheckError:
    """The error of a check whose message is made where the mistake is met; raise it."""
    return delivery.CheckError(Finding(code, "error", layer, message, fix))


def told_since_compile(model):
    """Codes of the warnings that a model gave since it was compiled; it does not repeat them."""
    return vars(model).setdefault("_told_checks", set())


def forget_told(model: Any) -> None:
    """Let a model that is compiled anew tell again."""
    vars(model)["_told_checks"] = set()
