"""The text of a header."""

from __future__ import annotations

import math
from pathlib import Path

from pyseq._version import __version__
from pyseq.saving.atomic import write_atomically
from pyseq.saving.to_cpp import elementwise, linear, normalizing, recurrent, shaping
from pyseq.saving.to_cpp.plan import aliases, is_same, lowered, places
from pyseq.saving.to_cpp.steps import NotByStepsError, one_step
from pyseq.saving.to_cpp.writer import FILES, Writer, identifier, number

TABLE = {
    **elementwise.TABLE,
    **linear.TABLE,
    **normalizing.TABLE,
    **recurrent.TABLE,
    **shaping.TABLE,
}
_REASONS = {
    "assign": ("of a variable", "leave out what counts or stores at inference"),
    "host": ("of a Python function", "write it with pyseq.ops, which can be traced"),
}
_LARGEST = 2**30  # elements of a value: kernels count in int
_KERNELS = Path(__file__).parent / "kernels"


def export(model, path, shape, namespace=None):
    """Write the inference of a built model on one row of `shape` as a header of C++17."""
    if namespace is None:
        namespace = identifier(Path(path).name.partition(".")[0])
    elif identifier(str(namespace)) != namespace:
        raise ValueError(
            f"{model.name}.export: expected a namespace that is a name of C++, got {namespace!r}; "
            f"call it {identifier(str(namespace))!r}"
        )
    text = header(model, shape, namespace)
    write_atomically(path, lambda file: file.write(text.encode()))


def header(model, shape, namespace):
    """The header of a built model as a text."""
    program = lowered(model, shape)
    w = Writer()
    run, sizes = _function(w, program)
    by_steps = step = reason = None
    try:
        by_steps = one_step(program)
        step, more = _function(w, by_steps)
        sizes = [max(a, b) for a, b in zip(sizes, more, strict=True)]
    except NotByStepsError as error:
        reason = str(error)
    parts = [
        f"// {_text(model.name)}: a network and its weights, exported by pyseq {__version__}.",
        "// C++17, no other files. Compile it for the very CPU: -O3 -march=native.",
        "#pragma once",
        "",
        *(f"#include <{name}>" for name in _INCLUDES),
        "",
        _BEGIN,
        f"namespace {namespace} {{",
        "namespace kernels {",
        "",
        *((_KERNELS / f"{name}.h").read_text("utf-8") for name in FILES if name in w.files),
        "}  // namespace kernels",
        "",
        *_weights(w),
        *_model(program, by_steps, run, step, reason, w, sizes),
        f"}}  // namespace {namespace}",
        _END,
    ]
    return "\n".join(parts)


_INCLUDES = ("cmath", "cstddef", "cstdint", "cstring", "limits", "type_traits", "utility")
_BEGIN = """\
#if defined(__GNUC__) && !defined(PYSEQ_PLAIN)
#define PYSEQ_VECTORS
#define PYSEQ_INLINE inline __attribute__((always_inline))
#define PYSEQ_LAMBDA __attribute__((always_inline))
#else
#define PYSEQ_INLINE inline
#define PYSEQ_LAMBDA
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // of template arguments as sizes of arrays
#endif
"""
_END = """\

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#undef PYSEQ_VECTORS
#undef PYSEQ_INLINE
#undef PYSEQ_LAMBDA
"""


def _function(w, program):
    """`(statements, (floats, integers))` of a program, written by one op after the other."""
    for op in program.ops:
        if is_same(op):
            continue
        if op.kind not in TABLE:
            reason = _REASONS.get(op.kind, ("that has no writer", "export it as .pyseq"))
            op.refuse(*reason)
    if any(math.prod(shape) > _LARGEST for shape in program.shapes):
        raise ValueError("export: expected values of 2^30 elements at most; export as .pyseq")
    roots = aliases(program)
    wanted = roots.get(program.wanted, program.wanted)
    names = _within_padding(w, program, roots)
    offsets, floats, integers = places(program, roots, names)

    def name(slot):
        root = roots.get(slot, slot)
        if root == program.given:
            return "in"
        if root == wanted:
            return "out"
        if root not in names:
            names[root] = f"v{root}"
            whole = root in program.int64
            kind, memory = ("std::int64_t", "integers_") if whole else ("float", "memory_")
            w.lines.append(f"{kind}* const v{root} = {shaping.at(memory, offsets[root])};")
        return names[root]

    w.lines = []
    for op in program.ops:
        if not is_same(op):
            _write(w, op, [name(s) for s in op.inputs], [name(s) for s in op.outputs])
    if wanted == program.given:
        size = math.prod(program.shapes[program.wanted])
        w.lines.append(f"std::memcpy(out, in, sizeof(Output) * {size});")
    return w.lines, (floats, integers)


def _within_padding(w, program, roots):
    """`{value: pointer}` of values that are made between the zeros that one convolution wants.

    That takes windows along one axis: what lies between is one run of numbers.
    """
    readers = {}
    for op in program.ops:
        for slot in op.inputs if not is_same(op) else ():
            root = roots.get(slot, slot)
            readers[root] = readers.get(root, 0) + 1
    outside = {program.given, roots.get(program.wanted, program.wanted)}
    pointers = {}
    for op in program.ops:
        if op.kind not in ("conv", "depthwise_conv") or len(op.shapes[0]) != 2 or op.streams:
            continue
        root = roots.get(op.inputs[0], op.inputs[0])
        (begin,), (end,) = op.attrs["pads_begin"], op.attrs["pads_end"]
        if op.fold > 1 or root in outside or readers[root] > 1 or begin + end == 0:
            continue
        steps, channels = op.shapes[0]
        op.padded = w.buffer(op, "padded", (begin + steps + end) * channels)
        pointers[root] = shaping.at(op.padded, begin * channels)
    return pointers


def _write(w, op, x, y):
    w.lines.append(f"// {_text(op.name)} ({op.kind})")
    if op.fold == 1:
        return TABLE[op.kind](w, op, x, y)
    lines, w.lines = w.lines, []
    x = [f"{p} + n * {math.prod(s)}" for p, s in zip(x, op.shapes, strict=True)]
    y = [f"{p} + n * {math.prod(s)}" for p, s in zip(y, op.y_shapes, strict=True)]
    TABLE[op.kind](w, op, x, y)
    w.lines = [*lines, f"for (int n = 0; n < {op.fold}; ++n) {{", *("  " + s for s in w.lines), "}"]


def _weights(w):
    yield "namespace weights {"
    for name, (kind, array) in w.arrays.items():
        values = list(map(number, array)) if kind == "float" else [str(v) for v in array]
        yield f"alignas(64) inline constexpr {kind} {name}[{len(array)}] = {{"
        line = "   "
        for value in values:
            if len(line) + len(value) > 118:
                yield line
                line = "   "
            line += f" {value},"
        yield line
        yield "};"
    yield "}  // namespace weights"
    yield ""


def _text(name):
    """A name that stays within a comment of one line."""
    return "".join(c if c.isprintable() else " " for c in name).rstrip("\\ ")


def _dims(shape):
    return " x ".join(map(str, shape)) if shape else "1"


def _model(program, by_steps, run, step, reason, w, sizes):
    given, wanted = program.shapes[program.given], program.shapes[program.wanted]
    kinds = ["std::int64_t" if s in program.int64 else "float"
             for s in (program.given, program.wanted)]
    yield f"// One row at a time: {_dims(given)} numbers in, {_dims(wanted)} out."
    yield "// Nothing is allocated, locked or asked of the system. An object belongs to one thread"
    yield "// at a time; in and out do not overlap."
    yield "class Model {"
    yield " public:"
    yield f"  using Input = {kinds[0]};"
    yield f"  using Output = {kinds[1]};"
    yield f"  static constexpr int kInputs = {math.prod(given)}, kOutputs = {math.prod(wanted)};"
    if step is not None:
        each = [math.prod(by_steps.shapes[s]) for s in (program.given, program.wanted)]
        yield f"  static constexpr int kStepInputs = {each[0]}, kStepOutputs = {each[1]};"
    yield ""
    yield "  void run(const Input* in, Output* out) noexcept {"
    yield from (f"    {line}" for line in run)
    yield "  }"
    if step is not None:
        yield ""
        yield "  // The next time step of a sequence."
        yield "  void step(const Input* in, Output* out) noexcept {"
        yield from (f"    {line}" for line in step)
        yield "  }"
    else:
        yield ""
        yield f"  // There is no step(): {_text(reason)}."
    yield ""
    yield "  // The next step is the first of another sequence."
    yield "  void reset() noexcept {"
    yield from (f"    {state}.reset();" for state in w.states)
    yield "  }"
    yield ""
    yield " private:"
    if sizes[0]:
        yield f"  alignas(64) float memory_[{sizes[0]}] = {{}};"
    if sizes[1]:
        yield f"  std::int64_t integers_[{sizes[1]}] = {{}};"
    yield from (f"  {member}" for member in w.members)
    yield "};"
