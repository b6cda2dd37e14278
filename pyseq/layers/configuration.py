"""The configuration of a layer: its constructor's arguments as plain data, and pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import dtype_policies, regularizers, revision
from pyseq.registry import arguments
from pyseq.registry.reading import reading

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Config


class Configured:
    """The part of `Layer` that describes it as plain data and makes it of that again."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        layer = super().__new__(cls)
        if cls._config_is_captured():
            object.__setattr__(layer, "_arguments", (args, kwargs))
        return layer

    @classmethod
    def _config_is_captured(cls):
        """True for a user's class with a constructor of its own and no `get_config`."""
        built_in = (getattr(cls.__init__, "__module__", None) or "").startswith("pyseq.")
        return cls.get_config is Configured.get_config and not built_in

    def get_config(self) -> Config:
        """Return the constructor arguments as plain data.

        Those of a user's class without a `get_config` of its own are what it was called with.
        """
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if self._config_is_captured():
            return arguments.captured(self, config)
        return config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Create a layer from what `get_config` returned."""
        if cls._config_is_captured():
            config = arguments.restored(config)
        if isinstance(config.get("dtype"), dict):
            policy = dtype_policies.get(config["dtype"])
            plain = type(policy) is dtype_policies.DTypePolicy
            config = {**config, "dtype": policy.name if plain else policy}
        with reading(f"{cls.__name__}.from_config", prefix=False):
            return cls(**config)

    def __getstate__(self):
        # Compiled programs are made again when they are needed.
        state = dict(vars(self), _runners={}, _states={})
        for cached in ("_state", "_has_states", "_front", "_print"):
            state.pop(cached, None)
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        revision.touch()
