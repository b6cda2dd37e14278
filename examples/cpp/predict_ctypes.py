"""The same from any language that calls C: `predict_ctypes.py LIBRARY MODEL.pyseq`."""

import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])  # libpyseq_c.so, from a build with -DPYSEQ_SHARED=ON
library.pyseq_last_error.restype = ctypes.c_char_p


class Shape(ctypes.Structure):
    _fields_ = [
        ("dims", ctypes.POINTER(ctypes.c_int64)),
        ("rank", ctypes.c_size_t),
        ("size", ctypes.c_int64),
        ("dtype", ctypes.c_int),
    ]


library.pyseq_input.restype = library.pyseq_output.restype = Shape
model = ctypes.c_void_p()
if library.pyseq_load(sys.argv[2].encode(), ctypes.byref(model)):
    sys.exit(library.pyseq_last_error().decode())
size = library.pyseq_input(model).size
x = (ctypes.c_float * size)(*[0.5] * size)
y = (ctypes.c_float * library.pyseq_output(model).size)()
if library.pyseq_predict(model, ctypes.c_int64(1), x, y):
    sys.exit(library.pyseq_last_error().decode())
print(*(f"{v:g}" for v in y))
library.pyseq_free_model(model)
