"""What a header consists of, collected while ops are written."""

from __future__ import annotations

import re

import numpy as np

from pyseq.saving import activations

# Kernels in the order in which a header has them.
FILES = ("base", "activations", "linear", "delay", "recurrent", "pooling", "shaping", "normalizing",
         "functions")


def identifier(text, otherwise="model"):
    """A name of C++ made of a text, none that the language or <cmath> has.

    >>> identifier("my net.v2"), identifier("exp"), identifier("3d")
    ('my_net_v2', 'model_exp', 'model_3d')
    """
    name = re.sub(r"[\W_]+", "_", text, flags=re.ASCII).strip("_")
    if not name:
        return otherwise
    taken = name in _KEYWORDS or name in _GLOBAL or name[0].isdigit()
    return f"{otherwise}_{name}" if taken else name


# Functions of the C library that standard headers may declare outside of std.
_GLOBAL = frozenset(
    """abort abs acos acosh asin asinh atan atan2 atanh atexit atof atoi atol bsearch cbrt ceil
    copysign cos cosh erf erfc exit exp exp2 expm1 fabs fdim floor fma fmax fmin fmod frexp gamma
    getenv hypot ilogb index j0 j1 jn labs ldexp lgamma log log10 log1p log2 logb lrint lround main
    malloc memchr memcmp memcpy memmove memset modf nan nearbyint nextafter pow qsort raise rand
    read realloc remainder remove remquo rename rint round scalbn select signal sin sinh sqrt srand
    system tan tanh tgamma time trunc write y0 y1 yn""".split()
)
_KEYWORDS = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
    concept constexpr continue decltype default delete do double dynamic_cast else enum explicit
    export extern false float for friend goto if inline int long mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register requires return short signed
    sizeof static static_assert static_cast std struct switch template this thread_local throw true
    try typedef typeid typename union unsigned using virtual void volatile while xor
    xor_eq""".split()
)


def number(value):
    """A float as a literal that is the same bits."""
    value = np.float32(value)
    if np.isnan(value):
        return "kernels::kNaN"
    if np.isinf(value):
        return "kernels::kInf" if value > 0 else "-kernels::kInf"
    return f"{value!s}f"


def ints(values):
    """A list of integers as template arguments."""
    return f"kernels::Ints<{', '.join(str(int(v)) for v in values)}>"


class Writer:
    """Collects arrays, members and, for one function at a time, statements.

    Attributes:
        lines: of the function that is written.
        members: declarations of the class.
        states: names of those that are the state of a sequence.
        arrays: `{name: (type, array)}` of the weights.
        files: names of the kernels that are called.
    """

    def __init__(self):
        self.lines, self.members, self.states = [], [], []
        self.arrays, self.files = {}, {"base"}
        self._names, self._known = set(), {}

    def fresh(self, wanted):
        """A name that nothing has."""
        name, count = wanted, 1
        while name in self._names:
            name, count = f"{wanted}_{count}", count + 1
        self._names.add(name)
        return name

    def array(self, op, role, values, dtype="float32"):
        """The name of a constant array; equal ones of an op are one."""
        array = np.ascontiguousarray(values, dtype).reshape(-1)
        key = (op.name, role, dtype, array.tobytes())
        if key not in self._known:
            name = self.fresh(identifier(f"{op.name}_{role}", "weights"))
            self._known[key] = name
            self.arrays[name] = ("float" if dtype == "float32" else "std::int32_t", array)
        return f"weights::{self._known[key]}"

    def member(self, op, kind, role, rest=""):
        """The name of a member of the class."""
        name = self.fresh(identifier(f"{op.name}_{role}", "value")) + "_"
        self.members.append(f"{kind} {name}{rest};")
        return name

    def state(self, op, kind, role):
        """The name of a member that `reset` sets to zeros."""
        self.states.append(self.member(op, kind, role))
        return self.states[-1]

    def buffer(self, op, role, size):
        """The name of an array of floats that begins as zeros and stays from call to call."""
        return self.member(op, "alignas(64) float", role, f"[{size}] = {{}}")

    def call(self, file, kernel, templates, arguments):
        """A statement that calls a kernel."""
        self.use(file)
        templates = f"<{', '.join(map(str, templates))}>" if templates else ""
        self.lines.append(f"kernels::{kernel}{templates}({', '.join(map(str, arguments))});")

    def use(self, file):
        self.files.add(file)

    def activation(self, name, arguments=None):
        """The expression of an activation by its name and numbers."""
        self.use("activations")
        name, values = activations.completed(name, arguments)
        if name == "gelu":
            return "kernels::GeluTanh{}" if values[0] else "kernels::Gelu{}"
        if name in ("relu", "relu6"):
            if values == [0, np.inf, 0]:
                return "kernels::Relu{}"
            name = "full_relu"
        words = "".join(part.capitalize() for part in name.split("_"))
        return f"kernels::{words}{{{', '.join(number(v) for v in values)}}}"

    def ending(self, op, prefix=""):
        """The activation that an op ends in."""
        name = op.attrs.get(f"{prefix}activation", "linear")
        return self.activation(name, op.attrs.get(f"{prefix}activation_args"))
