"""Ops of an inference program put together: one list of rules, applied after lowering."""

from __future__ import annotations

import os

from pyseq import config

_LINEAR_OPS = ("conv", "conv_transpose", "depthwise_conv", "dense")

#: Whether programs lowered from now on are fused; `PYSEQ_FUSION=0` starts with False.
enabled = os.environ.get("PYSEQ_FUSION", "1") != "0"


def fuse(graph, output, portable=False):
    """Rewrite the ops of `graph` (an inference program that ends in `output`) in place.

    Args:
        portable: keep to what every backend knows: no folded normalization.
    """
    if not enabled or graph.training:
        return
    outputs = output if isinstance(output, (list, tuple)) else [output]
    kept = {v.slot for v in outputs}
    readers = {}
    for op in graph.ops:
        for slot in op["inputs"]:
            readers[slot] = readers.get(slot, 0) + 1
    folds_norm = not portable and config.current_device() == "cpu"
    producer, ops = {}, []
    for op in graph.ops:
        before = producer.get(op["inputs"][0]) if op["inputs"] else None
        if before is not None:
            between = op["inputs"][0]
            alone = readers[between] == 1 and between not in kept and before["fold"] == op["fold"]
            if alone and _merge(before, op, folds_norm):
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
    if attrs.get("activation", "linear") != "linear":
        return False
    if op["kind"] == "activation":
        before["attrs"] = {**attrs, **op["attrs"]}
        return True
    if op["kind"] == "batch_norm" and folds_norm and "norm" not in attrs:
        if op["attrs"].get("batch_statistics") or len(op["inputs"]) > 1:
            return False
        before["attrs"] = {
            **attrs,
            "use_bias": len(before["params"]) > 1,
            "norm": True,
            "norm_scale": op["attrs"]["scale"],
            "norm_center": op["attrs"]["center"],
            "norm_epsilon": float(op["attrs"]["epsilon"]),
        }
        before["params"] = [*before["params"], *op["params"]]
        return True
    return False
