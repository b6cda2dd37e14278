"""A progress bar that costs little: one line that is rewritten, or plain lines in a file."""

from __future__ import annotations

import sys
import time

import numpy as np

from pyseq import settings
from pyseq.callbacks.base import show

_FULL, _EMPTY = "━", "─"


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


class Progbar:
    """Progress of a known or unknown number of steps, with averages of metrics.

    On a terminal one line with a bar, the time left and the metrics is rewritten; elsewhere a
    line is written at the end and at most every ten seconds.

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

    plain_interval = 10.0

    def __init__(
        self,
        target,
        width=20,
        verbose=1,
        interval=0.05,
        stateful_metrics=None,
        stateless_metrics=None,
        unit_name="step",
    ):
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
        stream = sys.stdout
        interactive = hasattr(stream, "isatty") and stream.isatty()
        self._rewrites = (interactive or "ipykernel" in sys.modules) and (
            settings.interactive_logging
        )

    def _averages(self, name):
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return self.stateful_metrics is None or name not in self.stateful_metrics

    def update(self, current, values=None, finalize=None):
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
        now = time.perf_counter()
        rate = self._rate(current, now)
        if self.verbose == 1:
            interval = self.interval if self._rewrites else self.plain_interval
            if not finalize and now - max(self._last_shown, self._quiet_since()) < interval:
                return
            self._show(current, now, rate, finalize)
            self._last_shown = now
        elif self.verbose == 2 and finalize and self.target:
            show(self._line(current, now, rate, bar=False) + "\n")

    def _quiet_since(self):
        return -float("inf") if self._rewrites else self._start

    def add(self, n, values=None):
        """Show that n more steps are done."""
        self.update(self._seen + n, values)

    def averages(self):
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

    def _line(self, current, now, rate, bar, left=None):
        if self.target:
            digits = len(str(self.target))
            parts = [f"{current:{digits}d}/{self.target}"]
            if bar:
                full = min(self.width, int(self.width * current / self.target))
                parts[0] += f" {_FULL * full}{_EMPTY * (self.width - full)}"
        else:
            parts = [f"{current:7d}/Unknown"]
        elapsed = format_seconds(now - self._start if left is None else left)
        parts.append(f"{elapsed} {format_rate(rate, self.unit_name)}")
        parts += [f"{name}: {format_value(value)}" for name, value in self.averages().items()]
        return (" " if bar else " - ").join(parts[:2]) + "".join(f" - {p}" for p in parts[2:])

    def _show(self, current, now, rate, finalize):
        left = None
        if self.target and not finalize:
            left = rate * (self.target - current)
        line = self._line(current, now, rate, bar=True, left=left)
        if not self._rewrites:
            show(line + "\n")
            return
        padding = " " * max(0, self._shown_length - len(line))
        self._shown_length = len(line)
        show(f"\r{line}{padding}" + ("\n" if finalize else ""))
