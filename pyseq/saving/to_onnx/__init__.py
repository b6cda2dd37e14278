"""Programs as ONNX files: each op of a lowered model becomes a few nodes.

`builder` collects nodes and simplifies them as they come; `elementwise`, `shaping`, `spatial`,
`normalizing` and `recurrent` translate one kind of op by one function each, `TABLE` of each names
them; `graph` walks the ops, and `file` makes the message that ONNX reads, with the package `onnx`.
"""
