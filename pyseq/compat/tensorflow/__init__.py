"""What scripts call of TensorFlow beside `tf.keras`, on NumPy arrays.

From when it is imported on, what calls of layers, losses and metrics on arrays return, and the
elements of data sets, are arrays that answer `.numpy()` and `.shape.as_list()` too.

>>> import pyseq.compat.tensorflow as tf
>>> tf.reduce_mean(tf.constant([1.0, 3.0])).numpy()
np.float32(2.0)
>>> tf.one_hot([1], 3).shape.as_list()
[1, 3]
"""

from __future__ import annotations

from pyseq import results
from pyseq.compat.tensorflow import _modules, _names
from pyseq.compat.tensorflow._tensors import as_tensor

__version__ = _names.VERSION

results.hand_out(as_tensor)
_modules.register()
install = _modules.install
uninstall = _modules.uninstall


def __getattr__(name):
    return _modules.find("", name)


def __dir__():
    return sorted({*globals(), *_modules.names_of("")})
