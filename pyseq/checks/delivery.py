"""How findings reach the user: errors are raised, warnings given once per place and code."""

from __future__ import annotations

import sys
import warnings

from pyseq import settings
from pyseq.checks.finding import CheckError, CheckWarning

# For each (file, line, code) what Python keeps of the warnings that it has shown there.
_shown = {}


def deliver(finding):
    """Raise a finding that is an error; warn of another at the line of the user's code.

    Raises:
        CheckError: the finding's severity is "error".
    """
    if finding.severity == "error":
        raise CheckError(finding)
    if silenced(finding.code):
        return
    frame = users_frame()
    file, line = frame.f_code.co_filename, frame.f_lineno
    if len(_shown) > 4096:
        _shown.clear()
    shown = _shown.setdefault((file, line, finding.code), {})
    warning = CheckWarning(finding)
    # Python shows each text once at a place; in this registry another text is the same one. It
    # forgets all of them when filters change, and keeps none where they say "always" or "error".
    if any(isinstance(key, tuple) for key in shown):
        shown[str(warning), CheckWarning, line] = True
    module = frame.f_globals.get("__name__") or "<unknown>"
    warnings.warn_explicit(warning, CheckWarning, file, line, module=module, registry=shown)


def silenced(code):
    """Whether `pyseq.config.silence` or `PYSEQ_SILENCE` names a code or its beginning."""
    return bool(settings.silenced) and code.startswith(settings.silenced)


def users_frame(packages=("pyseq",)):
    """The innermost frame of the call stack that is none of these packages."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _belongs(frame, packages):
        frame = frame.f_back
    return frame


def _belongs(frame, packages):
    return frame.f_globals.get("__name__", "").split(".")[0] in packages
