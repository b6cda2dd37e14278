"""Images among symbolic tensors."""

from __future__ import annotations

from pyseq import hooks
from pyseq.layers.spatial import lower_resize
from pyseq.tracing.tensor import Tensor


@hooks.answers("resize")
def resize(x, size, interpolation, antialias):
    """An op `resize` of images (n, h, w, c) or (h, w, c) to `size` (height, width)."""
    graph, name = x.trace.graph, x.trace.name
    if x.lead or x.ndim != (4 if x.batched else x.ndim) or x.ndim not in (3, 4):
        raise x.trace.error(f"expected images (n, height, width, channels), got shape {x.shape}")
    # A tensor (n, h, w, c) without the batch is one row that holds n images.
    folds = x.ndim == 4 and not x.batched
    value = graph.fold(x.value, x.shape[0]) if folds else x.value
    y = lower_resize(graph, value, size, interpolation, antialias, name=name)
    y = graph.unfold(y, x.shape[0]) if folds else y
    return Tensor(x.trace, y, x.batched, x.dtype if x.is_float else x.trace.dtype)
