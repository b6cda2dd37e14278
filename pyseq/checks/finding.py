"""What a check has found, alone and in a list that prints well."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

WIDTH = 80


@dataclasses.dataclass(frozen=True)
class Finding:
    """One mistake, or what looks like one.

    Attributes:
        code: such as `"PS101"`; `docs/mistakes.md` has an entry for it.
        severity: `"error"` for what is surely wrong, `"warning"` for what is suspicious.
        layer: the layer's name in `summary()`, or `"optimizer"`, `"fit"`, `"x"`, `"y"`.
        message: what was expected, what is there.
        fix: what to do.

    >>> print(Finding("PS105", "warning", "dense", "softmax over one unit is 1", "use sigmoid"))
    dense: softmax over one unit is 1; use sigmoid [PS105]
    """

    code: str
    severity: str
    layer: str
    message: str
    fix: str

    def __str__(self):
        return f"{self.layer}: {self.message}; {self.fix} [{self.code}]"


class Findings(list):
    """The findings of `model.check`; prints as text of 80 columns, in notebooks as a table.

    >>> Findings([Finding("PS105", "warning", "dense", "softmax over 1 unit", "use sigmoid")])
    PS105  warning  dense
        softmax over 1 unit
        -> use sigmoid
    0 errors, 1 warning
    >>> Findings()
    no findings
    """

    @property
    def errors(self) -> list[Finding]:
        """Those that are surely wrong."""
        return Findings(f for f in self if f.severity == "error")

    @property
    def warnings(self) -> list[Finding]:
        """Those that are suspicious."""
        return Findings(f for f in self if f.severity == "warning")

    def _summary(self):
        counts = [(len(self.errors), "error"), (len(self.warnings), "warning")]
        return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts)

    def __str__(self) -> str:
        if not self:
            return "no findings"
        lines = []
        layer_width = WIDTH - len("PS101  warning  ")
        for f in self:
            lines.append(f"{f.code}  {f.severity:7}  {textwrap.shorten(f.layer, layer_width)}")
            lines += textwrap.wrap(
                f.message, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4
            )
            lines += textwrap.wrap(
                f.fix, WIDTH, initial_indent="    -> ", subsequent_indent=" " * 7
            )
        return "\n".join([*lines, self._summary()])

    __repr__ = __str__

    def _repr_html_(self):
        if not self:
            return "<p>no findings</p>"
        import html

        head = ("code", "severity", "layer", "message", "fix")
        rows = ["".join(f"<th>{name}</th>" for name in head)]
        for f in self:
            values = (html.escape(value) for value in dataclasses.astuple(f))
            rows.append("".join(f'<td style="text-align:left">{value}</td>' for value in values))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table>{body}</table><p>{self._summary()}</p>"


class CheckWarning(UserWarning):
    """A model or data that look wrong.

    `pyseq.config.silence(code)` silences one kind, and so does `PYSEQ_SILENCE` in the environment.

    Args:
        finding: a `Finding`.

    >>> CheckWarning(Finding("PS105", "warning", "dense", "softmax over 1 unit", "-")).code
    'PS105'
    """

    def __init__(self, finding: Any) -> None:
        super().__init__(str(finding))
        self.finding = finding

    @property
    def code(self) -> str:
        """The code of the finding."""
        return self.finding.code

    def __reduce__(self):
        return type(self), (self.finding,)


class CheckError(ValueError):
    """A model or data that are surely wrong.

    Args:
        finding: a `Finding`.

    >>> str(CheckError(Finding("PS402", "error", "optimizer", "got -1", "use 0.01")))
    'optimizer: got -1; use 0.01 [PS402]'
    """

    def __init__(self, finding: Any) -> None:
        super().__init__(str(finding))
        self.finding = finding

    @property
    def code(self) -> str:
        """The code of the finding."""
        return self.finding.code

    def __reduce__(self):
        return type(self), (self.finding,)
