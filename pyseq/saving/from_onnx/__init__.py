"""Sequential models of ONNX files whose nodes are a straight line.

`message` reads the file and its constants; `line` follows the one tensor that is computed from node
to node and keeps the layers; `plain`, `images` and `recurrent` make a layer of one kind of node by
one function each; `bundles` recognizes activations that are several nodes; `reader` is the face.
"""
