"""All layers, with the names of `keras.layers`."""

import importlib
import pkgutil

from pyseq.layers.base import InputSpec, Layer

for _module in pkgutil.walk_packages(__path__, "pyseq.layers."):
    _m = importlib.import_module(_module.name)
    for _name, _value in vars(_m).items():
        if isinstance(_value, type) and issubclass(_value, Layer) and not _name.startswith("_"):
            globals().setdefault(_name, _value)
from pyseq.layers.core import Input
