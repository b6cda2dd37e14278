"""A progress bar that costs little: one line that is rewritten, or a plain line in a file."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.callbacks import screen
from pyseq.callbacks.base import show

if TYPE_CHECKING:
    from pyseq.types import Tensor

_FULL, _EMPTY = "━", "─"
_INDENT = "    "  # of metrics that have lines of their own
# What a line that is too long loses first: (columns of the bar, time per step, words of the rate).
_SHAPES = (
    (1.0, True, True),
    (0.5, True, True),
    (0.5, False, True),
    (0.5, False, False),
    (0.25, False, False),
)


def format_value(value):
    """Return a metric as Progbar shows it.

    >>> format_value(0.25), format_value(0.00025)
    ('0.2500', '2.5000e-04')
    """
    if not isinstance(value, (int, float)):
        value = float(np.mean(value))
    # NaN compares false and is shown as it is.
    return f"{value:.4e}" if abs(value) <= 1e-3 else f"{value:.4f}"


def format_seconds(seconds):
    """Return a duration as `5s`, `1:05` or `1:01:05`."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}" if minutes else f"{seconds}s"


def format_rate(seconds, unit):
    """Return time per unit, as `3ms/step`."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"


def format_samples(rate, short=False):
    """Return samples a second, as `8,123 samples/s` or `8.1k/s`.

    >>> format_samples(8123.4), format_samples(2.5), format_samples(8123.4, short=True)
    ('8,123 samples/s', '2.5 samples/s', '8.1k/s')
    """
    if not short:
        return f"{rate:,.0f} samples/s" if rate >= 100 else f"{rate:.1f} samples/s"
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rate >= scale:
            return f"{rate / scale:.1f}{unit}/s"
    return f"{rate:.0f}/s"


class Progbar:
    """Progress of a known or unknown number of steps, with averages of metrics.

    On a terminal and in a notebook one line is rewritten, in colours where `rich` is installed:
    steps, a bar, the time left, the time of a step, samples a second (where `count_samples` tells
    of them), metrics. It is cut to the width of the terminal; at the end, metrics that do not fit
    get lines of their own. Elsewhere a plain line is written at the end.

    Args:
        target: number of steps, or None.
        width: of the bar, in characters.
        verbose: 0 silent, 1 bar, 2 one line at the end.
        interval: seconds between two displays.
        stateful_metrics: names shown as they are rather than averaged over the steps.
        stateless_metrics: names averaged; all others are then shown as they are.
        unit_name: what a step is called.

    >>> bar = Progbar(10, verbose=2)
    >>> bar.update(5, [("loss", 1.0)])
    >>> bar.averages()
    {'loss': 1.0}
    """

    def __init__(
        self,
        target: Tensor,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Any = None,
        stateless_metrics: Any = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Progbar: expected stateful_metrics or stateless_metrics, got both; pass one"
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = None if stateful_metrics is None else set(stateful_metrics)
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._sums = {}
        self._seen = 0
        self._start = time.perf_counter()
        self._first_step = None
        self._last_shown = -float("inf")
        self._shown_length = 0
        self._shape = 0  # of _SHAPES; lines do not jump back to a wider one
        self._columns = 0
        self._samples = self._first_samples = None  # (count, when)
        self._paint = None
        stream = sys.stdout
        self._rewrites = settings.interactive_logging and screen.can_rewrite(stream)

    @property
    def due(self) -> bool:
        """Whether an update now would be shown."""
        if self.verbose != 1 or not self._rewrites:
            return False
        return time.perf_counter() - self._last_shown >= self.interval

    def count_samples(self, count: int) -> None:
        """Tell that `count` samples were done so far, for the samples a second."""
        self._samples = (count, time.perf_counter())
        if self._first_samples is None:
            self._first_samples = self._samples

    def _averages(self, name):
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return self.stateful_metrics is None or name not in self.stateful_metrics

    def update(self, current: Any, values: Any = None, finalize: Any = None) -> None:
        """Show that `current` steps are done.

        Args:
            values: list of `(name, value)`; averaged values count for the steps since the last
                update, and are replaced by the last one when finalizing.
            finalize: end the line; when None, if the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            if finalize or not self._averages(name) or name not in self._sums:
                weight = 1 if finalize or not self._averages(name) else steps
                self._sums[name] = [value * weight, weight]
            else:
                total = self._sums[name]
                total[0] = total[0] + value * steps
                total[1] += steps
        self._seen = current
        if self.verbose == 1 and (finalize or self.due):
            self._show(current, finalize)
        elif self.verbose == 2 and finalize and self.target:
            show(self._plain_line(current, with_samples=False) + "\n")
        elif self._first_step is None and current:
            self._first_step = (current, time.perf_counter())

    def close(self) -> None:
        """End a line that waits for its next update, where none will come."""
        if self._shown_length:
            self._shown_length = 0
            show("\n")

    def add(self, n: int, values: Any = None) -> Tensor:
        """Show that n more steps are done."""
        self.update(self._seen + n, values)

    def averages(self) -> dict[str, Any]:
        """Return `{name: value}` as shown."""
        return {name: total / max(1, count) for name, (total, count) in self._sums.items()}

    def _rate(self, current, now):
        if not current:
            return 0.0
        # The first step builds plans and buffers; it would spoil the estimate.
        if self._first_step is not None and current > self._first_step[0]:
            rate = (now - self._first_step[1]) / (current - self._first_step[0])
        else:
            rate = (now - self._start) / current
        if self._first_step is None:
            self._first_step = (current, now)
        return rate

    def _sample_rate(self):
        if self._samples is None:
            return None
        (count, now), (first, began) = self._samples, self._first_samples
        if count == first:  # all in one piece
            first, began = 0, self._start
        return (count - first) / max(now - began, 1e-9)

    def _counter(self, current):
        if not self.target:
            return f"{current:7d}/Unknown"
        return f"{current:{len(str(self.target))}d}/{self.target}"

    def _metrics(self):
        return [f"{name}: {format_value(value)}" for name, value in self.averages().items()]

    def _plain_line(self, current, with_samples=True):
        now = time.perf_counter()
        rate = format_rate(self._rate(current, now), self.unit_name)
        parts = [self._counter(current), format_seconds(now - self._start), rate]
        samples = self._sample_rate() if with_samples else None
        if samples is not None:
            parts.append(format_samples(samples))
        return " - ".join(parts + self._metrics())

    def _head(self, current, shape, finalize):
        """What stands before the metrics, as (text, style)."""
        share, step_time, words = _SHAPES[shape]
        now = time.perf_counter()
        rate = self._rate(current, now)
        parts = [(self._counter(current), "bold")]
        if self.target:
            width = int(self.width * share)
            full = min(width, int(width * current / self.target))
            parts += [(" ", ""), (_FULL * full, "green"), (_EMPTY * (width - full), "dim")]
        if self.target and not finalize:
            time_shown = format_seconds(rate * (self.target - current)) + " left"
        else:
            time_shown = format_seconds(now - self._start)
        parts += [(" ", ""), (time_shown, "bold")]
        if step_time:
            parts.append((f" {format_rate(rate, self.unit_name)}", ""))
        samples = self._sample_rate()
        if samples is not None:
            parts.append((f" {format_samples(samples, short=not words)}", ""))
        return parts

    def _lines(self, current, finalize, room):
        """Lines of (text, style) that fit into `room` columns: one, or more when finalizing."""
        metrics = self._metrics()
        needed = sum(3 + screen.cells(m) for m in metrics)
        head = self._head(current, self._shape, finalize)
        while _cells(head) + needed > room and self._shape < len(_SHAPES) - 1:
            self._shape += 1
            head = self._head(current, self._shape, finalize)
        if _cells(head) + needed <= room:
            return [[*head, *((f" - {m}", "") for m in metrics)]]
        if not finalize:
            return [_fill(head, metrics, room)]
        heads = [self._head(current, shape, True) for shape in range(len(_SHAPES))]
        head = next((h for h in heads if _cells(h) <= room), heads[-1])
        lines = [_clip(head, room)]
        for m in metrics:
            name, _, value = m.rpartition(": ")
            m = f"{screen.clip(name, max(room - len(_INDENT) - len(value) - 2, 1))}: {value}"
            if len(lines) > 1 and _cells(lines[-1]) + 3 + screen.cells(m) <= room:
                lines[-1].append((f" - {m}", ""))
            else:
                lines.append([(_INDENT + m, "")])
        return lines

    def _show(self, current, finalize):
        if not self._rewrites:
            show(self._plain_line(current) + "\n")
            return
        columns = screen.columns(sys.stdout)
        if columns != self._columns:
            self._columns, self._shape = columns, 0
        if self._paint is None:
            self._paint = screen.painter(sys.stdout)
        # In the last column some terminals go on to the next line.
        room = max(columns - 1, 1)
        lines = self._lines(current, finalize, room)
        length = _cells(lines[0])
        padding = " " * (min(self._shown_length, room) - length)
        painted = ["".join(self._paint(t, s) if s and t else t for t, s in line) for line in lines]
        painted[0] += padding
        self._shown_length = length  # before it is shown: Ctrl-C may come in between
        show("\r" + "\n".join(painted) + ("\n" if finalize else ""))
        if finalize:
            self._shown_length = 0
        self._last_shown = time.perf_counter()


def _cells(parts):
    return sum(screen.cells(text) for text, _ in parts)


def _clip(parts, room):
    """The parts of a line as far as they fit."""
    kept = []
    for text, style in parts:
        text = screen.clip(text, room)
        room -= screen.cells(text)
        kept.append((text, style))
        if room <= 0:
            break
    return kept


def _fill(head, metrics, room):
    """A line of the head and of the metrics that fit, the loss before all others."""
    metrics = sorted(metrics, key=lambda m: not m.startswith("loss: "))
    line, left = list(head), room - _cells(head)
    for i, m in enumerate(metrics):
        rest = 2 if i < len(metrics) - 1 else 0  # for an ellipsis
        if 3 + screen.cells(m) + rest > left:
            line.append((" …", ""))
            break
        line.append((f" - {m}", ""))
        left -= 3 + screen.cells(m)
    return _clip(line, room)
