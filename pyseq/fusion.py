"""Ops of an inference program put together: one list of rules, applied after lowering."""

from __future__ import annotations

import math

from pyseq import settings

_LINEAR_OPS = ("conv", "conv_transpose", "depthwise_conv", "dense")

# Smaller images are better cut by their channels than by their rows.
_LEAST_PIXELS = 128


def fuse(graph, output, portable=False):
    """Rewrite the ops of `graph` (an inference program that ends in `output`) in place.

    `PYSEQ_FUSION=0` leaves all as they are.

    Args:
        portable: keep to what every backend knows: no folded normalization.
    """
    if not settings.fusion or graph.training:
        return
    outputs = output if isinstance(output, (list, tuple)) else [output]
    kept = {v.slot for v in outputs}
    readers = {}
    for op in graph.ops:
        for slot in op["inputs"]:
            readers[slot] = readers.get(slot, 0) + 1
    folds_norm = not portable and settings.device == "cpu"
    producer, ops = {}, []
    for op in graph.ops:
        before = producer.get(op["inputs"][0]) if op["inputs"] else None
        if before is not None:
            between = op["inputs"][0]
            alone = readers[between] == 1 and between not in kept and before["fold"] == op["fold"]
            if alone and (
                _merge(before, op, folds_norm)
                or (folds_norm and _follow_with_pointwise(graph, before, op))
            ):
                before["outputs"] = op["outputs"]
                producer[op["outputs"][0]] = before
                continue
        if op["kind"] in _LINEAR_OPS:
            op = dict(op)
            producer[op["outputs"][0]] = op
        ops.append(op)
    graph.ops = ops


def _merge(before, op, folds_norm):
    """Let `before`, a linear op, do the work of `op` too; False where it cannot."""
    attrs = before["attrs"]
    # Of the pointwise convolution that a depthwise one goes on with, where there is one.
    last = "pointwise_" if attrs.get("pointwise") else ""
    if attrs.get(f"{last}activation", "linear") != "linear":
        return False
    if op["kind"] == "activation":
        before["attrs"] = attrs | _prefixed(last, op["attrs"])
        return True
    if op["kind"] == "batch_norm" and folds_norm and f"{last}norm" not in attrs:
        if op["attrs"].get("batch_statistics") or len(op["inputs"]) > 1:
            return False
        norm = {
            "norm": True,
            "norm_scale": op["attrs"]["scale"],
            "norm_center": op["attrs"]["center"],
            "norm_epsilon": float(op["attrs"]["epsilon"]),
        }
        if not last:
            norm["use_bias"] = len(before["params"]) > 1
        before["attrs"] = attrs | _prefixed(last, norm)
        before["params"] = [*before["params"], *op["params"]]
        return True
    return False


def _prefixed(prefix, attrs):
    return {f"{prefix}{name}": value for name, value in attrs.items()}


def _follow_with_pointwise(graph, before, op):
    """Let `before`, a depthwise convolution, go on with `op`, a convolution of 1 x 1 taps."""
    if before["kind"] != "depthwise_conv" or op["kind"] != "conv" or "pointwise" in before["attrs"]:
        return False
    multiplier = graph.variables[before["params"][0]].shape[-1]
    *taps, _, _ = graph.variables[op["params"][0]].shape
    attrs = op["attrs"]
    plain = all(n == 1 for n in (*taps, *attrs["strides"], attrs.get("groups", 1), multiplier))
    pixels = math.prod(graph.shapes[op["outputs"][0]][:-1])
    if not plain or any((*attrs["pads_begin"], *attrs["pads_end"])) or pixels < _LEAST_PIXELS:
        return False
    last = {k: v for k, v in attrs.items() if k.startswith("activation")}
    last["use_bias"] = len(op["params"]) > 1
    use_bias = before["attrs"].get("use_bias", len(before["params"]) > 1)
    before["attrs"] = before["attrs"] | {"pointwise": True, "use_bias": use_bias}
    before["attrs"] |= _prefixed("pointwise_", last)
    before["params"] = [*before["params"], *op["params"]]
    return True
