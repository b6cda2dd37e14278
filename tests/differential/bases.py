"""What the classes of users have in common."""

from __future__ import annotations


def base(K, **defaults):
    """A base class whose arguments are attributes with the given defaults."""

    class Base(K.layers.Layer):
        def __init__(self, **kwargs):
            own = {name: kwargs.pop(name, value) for name, value in defaults.items()}
            super().__init__(**kwargs)
            self.names = list(own)
            for name, value in own.items():
                setattr(self, name, value)

        def get_config(self):
            return {**super().get_config(), **{name: getattr(self, name) for name in self.names}}

        def state(self, name, shape, initializer="zeros", dtype=None):
            return self.add_weight(shape=shape, initializer=initializer, dtype=dtype,
                                   trainable=False, name=name)

    return Base
