"""Which dtype a layer's weights and arithmetic have, with the names of `keras.dtype_policies`.

pyseq computes in float32 or float64. Under a 16-bit policy (`float16`, `bfloat16`,
`mixed_float16`, `mixed_bfloat16`) outputs are rounded to 16 bits where they are handed out, and so
are the weights where their dtype has 16 bits; the arithmetic between is that of float32.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from pyseq import dtypes, settings
from pyseq.registry.registration import builtin
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from pyseq.types import Config, CustomObjects

_MIXED = ("mixed_float16", "mixed_bfloat16")
_QUANTIZED = ("int8_from_", "int4_from_", "float8_from_", "gptq", "awq")
_FAMILIES = ("dtype_policies", "", "mixed_precision")


@builtin(
    "",
    aliases=(
        "dtype_policies.DTypePolicy",
        "mixed_precision.DTypePolicy",
        "mixed_precision.Policy",
    ),
)
class DTypePolicy:
    """The pair of dtypes of a layer.

    Args:
        name: a dtype name, `"mixed_float16"` or `"mixed_bfloat16"`; None for the default policy.

    Attributes:
        name: the name as given.
        compute_dtype: dtype of the outputs.
        variable_dtype: dtype of the weights.

    >>> policy = DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = default().name
        if not isinstance(name, str):
            raise TypeError(
                f"DTypePolicy: expected the name of a policy, got {name!r}; "
                f"pass 'float32' or the like"
            )
        if name.startswith(_QUANTIZED):
            raise ValueError(
                f"DTypePolicy: expected a policy without quantization, got {name!r}; "
                f"pyseq runs float32 and float64 models"
            )
        self.name = name
        if name in _MIXED:
            self.compute_dtype, self.variable_dtype = name.removeprefix("mixed_"), "float32"
            return
        try:
            dtype = dtypes.standardize_dtype(name)
        except ValueError as error:
            raise ValueError(
                f"DTypePolicy: expected the name of a dtype or one of {_MIXED}, got {name!r}; "
                f"'float32' is the default"
            ) from error
        self.compute_dtype = self.variable_dtype = dtype

    @property
    def quantization_mode(self) -> None:
        """Always None: pyseq does not quantize."""
        return None

    def get_config(self) -> Config:
        """Return `{"name": name}`."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the policy that `get_config` described."""
        return construct(cls, config)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


@builtin("", aliases=("dtype_policies.FloatDTypePolicy",))
class FloatDTypePolicy(DTypePolicy):
    """Another name of `DTypePolicy`, which some files use."""


@builtin("dtype_policies")
class DTypePolicyMap(DTypePolicy, MutableMapping):
    """Policies by the paths of layers; for a layer that is given it, its default counts.

    Args:
        default_policy: a policy or its name for paths without an entry; None for the default
            policy at the time of asking.
        policy_map: `{path or regular expression: policy}`.

    A path that is no entry itself has the policy of the one regular expression that matches it as
    a whole.

    Raises:
        ValueError: a path that several regular expressions match; an entry that exists already; a
            value that is no policy.
        TypeError: `policy_map` is no dict.

    >>> policies = DTypePolicyMap("float32", {"encoder/.*": DTypePolicy("float64")})
    >>> policies["encoder/dense"], policies["decoder"]
    (<DTypePolicy "float64">, <DTypePolicy "float32">)
    """

    def __init__(self, default_policy: Any = None, policy_map: Any = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError(
                "DTypePolicyMap: expected default_policy to be one policy, got a DTypePolicyMap"
            )
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                f"DTypePolicyMap: expected policy_map to be a dict, got {policy_map!r}; pass "
                "{path: policy}"
            )
        self._given = default_policy
        self._policies = {}
        get(default_policy)
        for key, policy in (policy_map or {}).items():
            self[key] = policy

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of paths without an entry."""
        return get(self._given)

    @property
    def name(self) -> str:
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self.default_policy.variable_dtype

    def __getitem__(self, key: Any) -> DTypePolicy:
        if key in self._policies:
            return self._policies[key]
        found = [pattern for pattern in self._policies if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(
                f"DTypePolicyMap: expected one entry that matches {key!r}, got {found}; make them "
                "narrower"
            )
        return self._policies[found[0]] if found else self.default_policy

    def __setitem__(self, key, policy):
        if key in self._policies:
            raise ValueError(
                f"DTypePolicyMap: expected a new entry, got {key!r}, which is "
                f"{self._policies[key]!r}; delete it first"
            )
        try:
            self._policies[key] = get(policy)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"DTypePolicyMap: expected a policy for {key!r}, got {policy!r}; pass a "
                "DTypePolicy or its name"
            ) from error

    def __delitem__(self, key):
        del self._policies[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._policies

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def get_config(self) -> Config:
        """Return the constructor's arguments."""
        default_policy = self._given
        if isinstance(default_policy, DTypePolicy):
            default_policy = serialize(default_policy)
        return {
            "default_policy": default_policy,
            "policy_map": serialize_keras_object(self._policies),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        """Return the map that `get_config` described."""
        policies = deserialize_keras_object(config.get("policy_map"), custom_objects)
        return construct(cls, {**config, "policy_map": policies})

    def __eq__(self, other: Any) -> bool:
        same = isinstance(other, DTypePolicyMap) and self._given == other._given
        return same and self._policies == other._policies

    __hash__ = None

    def __repr__(self) -> str:
        entries = [(key, policy.name) for key, policy in self.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, mapping={entries}>"


def default() -> DTypePolicy:
    """Return the policy of layers that are given none; `config.set_dtype_policy` sets it."""
    return DTypePolicy(settings.floatx) if settings.dtype_policy is None else settings.dtype_policy


def result_dtype(identifier: Any) -> str:
    """Return the dtype of what a loss or a metric returns; the default policy does not count.

    >>> result_dtype("mixed_bfloat16"), result_dtype(None)
    ('bfloat16', 'float32')
    """
    return get(settings.floatx if identifier is None else identifier).compute_dtype


def serialize(dtype_policy: Any) -> Any:
    """Return the config dict of a policy."""
    return serialize_keras_object(dtype_policy)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the policy that a config dict describes."""
    return deserialize_keras_object(config, custom_objects, family=_FAMILIES)


def get(identifier: Any) -> DTypePolicy:
    """Return a policy from None (the default), a policy, a name, a config dict or a dtype.

    >>> get("float64")
    <DTypePolicy "float64">
    """
    if identifier is None:
        return default()
    if isinstance(identifier, dict):
        identifier = deserialize(identifier)
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    return DTypePolicy(dtypes.standardize_dtype(identifier))


__all__ = ["DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "deserialize", "get", "serialize"]


def __dir__() -> list[str]:
    return sorted(__all__)
