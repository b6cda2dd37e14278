"""`Config`: named values of a script, that can be frozen and written as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyseq.registry.serialization import serialize_keras_object

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator, KeysView, ValuesView


class Config:
    """Named values, set and read as attributes or as in a dict.

    Args:
        kwargs: the first values.

    >>> config = Config(rate=0.1)
    >>> config.units = 32
    >>> config["units"], config.to_json()
    (32, '{"rate": 0.1, "units": 32}')
    """

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_values", dict(kwargs))
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether the values can no longer change."""
        return self._frozen

    def freeze(self) -> None:
        """Refuse changes from now on."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allow changes again."""
        object.__setattr__(self, "_frozen", False)

    def as_dict(self) -> dict[str, Any]:
        """Return the values as a dict."""
        return dict(self._values)

    def to_json(self) -> str:
        """Return the values as JSON, objects as their configs."""
        return json.dumps({k: serialize_keras_object(v) for k, v in self._values.items()})

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._values.keys()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        """Return pairs of name and value."""
        return self._values.items()

    def pop(self, *args: Any) -> Any:
        """Take a value out by name; a second argument is returned where there is none."""
        self._expect_open("pop")
        return self._values.pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several values, of a dict or by name."""
        self._expect_open("update")
        self._values.update(*args, **kwargs)

    def get(self, keyname: Any, value: Any = None) -> Any:
        """Return a value by name, or `value` where there is none."""
        return self._values.get(keyname, value)

    def _expect_open(self, what):
        if self._frozen:
            raise ValueError(
                f"Config.{what}: expected a config that is not frozen; call config.unfreeze() first"
            )

    def __setattr__(self, name, value):
        self._expect_open(f"{name} = ...")
        self._values[name] = value

    def __getattr__(self, name):
        if name.startswith("__") or name not in self._values:
            raise AttributeError(f"Config: expected one of {sorted(self._values)}, got {name!r}")
        return self._values[name]

    def __setitem__(self, name, value):
        self.__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __delitem__(self, name):
        self._expect_open(f"del {name}")
        del self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Config {self._values}>"
