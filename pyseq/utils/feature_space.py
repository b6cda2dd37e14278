"""`FeatureSpace`: tables of named columns to numbers, each column by a layer of its own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import naming, results
from pyseq.layers.base import Layer
from pyseq.layers.core import Input
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.layers.preprocessing.base import _NumPyLayer
from pyseq.layers.preprocessing.hashing import Hashing, cross_bins, token_array
from pyseq.layers.preprocessing.lookup import IntegerLookup, StringLookup
from pyseq.layers.preprocessing.numeric import (
    CategoryEncoding,
    Discretization,
    Normalization,
    Rescaling,
)
from pyseq.registry import serialization
from pyseq.registry.construct import construct
from pyseq.registry.registration import builtin
from pyseq.saving import saving_api

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Config, DTypeLike, FileLike

_HOME = "src.layers.preprocessing.feature_space"
_MODES = {"Feature": ("int", "one_hot", "float"), "Cross": ("int", "one_hot")}
# Scalars that come one by one are adapted to in groups of this size.
_ROWS = 32


def _check_mode(where, output_mode, modes):
    if output_mode not in modes:
        raise ValueError(
            f"{where}: expected `output_mode` to be one of {modes}, got {output_mode!r}"
        )
    return output_mode


@builtin(_HOME)
class Cross:
    """Columns that are hashed together: what `FeatureSpace.cross` returns.

    >>> FeatureSpace.cross(("a", "b"), crossing_dim=8).name
    'a_X_b'
    """

    def __init__(self, feature_names, crossing_dim, output_mode="one_hot"):
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = _check_mode("Cross", output_mode, _MODES["Cross"])
        if len(self.feature_names) < 2:
            raise ValueError(
                f"Cross: expected the names of two features or more, got {self.feature_names}"
            )
        if not hasattr(crossing_dim, "__index__") or crossing_dim < 1:
            raise ValueError(f"Cross: expected crossing_dim >= 1, got {crossing_dim!r}")

    @property
    def name(self):
        return "_X_".join(self.feature_names)

    def get_config(self):
        return {
            "feature_names": self.feature_names,
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config):
        return construct(cls, config)


@builtin(_HOME)
class Feature:
    """How one column is read: its dtype, the layer it goes through, and what becomes of that.

    Args:
        dtype: of the column: "float32", "int32", "string", ...
        preprocessor: a layer.
        output_mode: "float" or "int" for the layer's output as it is, "one_hot" for its ids as
            vectors.
    """

    def __init__(self, dtype, preprocessor, output_mode):
        self.dtype = dtype
        if isinstance(preprocessor, dict):
            preprocessor = serialization.deserialize_keras_object(preprocessor)
        if not isinstance(preprocessor, Layer) or not isinstance(dtype, str):
            raise TypeError(
                "Feature: expected the name of a dtype and a layer as `preprocessor`, got "
                f"{dtype!r} and {type(preprocessor).__name__}"
            )
        self.preprocessor = preprocessor
        self.output_mode = _check_mode("Feature", output_mode, _MODES["Feature"])

    def get_config(self):
        return {
            "dtype": self.dtype,
            "preprocessor": serialization.serialize_keras_object(self.preprocessor),
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config):
        return construct(cls, config)


@builtin(_HOME)
class TFDIdentity(_NumPyLayer):
    """The preprocessor of plain numbers, under the name that files know it by."""

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def apply(self, x, training):
        return x.astype(self.arithmetic_dtype)


class Crosser:
    """The number of the bin of each row of several columns of ids or strings."""

    def __init__(self, num_bins, name):
        self.num_bins = num_bins
        self.name = name

    def __call__(self, columns):
        columns = [token_array(f"FeatureSpace: cross `{self.name}`", c) for c in columns]
        if any(c.shape != columns[0].shape or c.shape[1:] != (1,) for c in columns):
            raise ValueError(
                f"FeatureSpace: cross `{self.name}`: expected features of one number or string a "
                f"row, got shapes {[c.shape for c in columns]}"
            )
        return cross_bins(columns, self.num_bins)


_NAMED = (
    "float",
    "float_normalized",
    "float_rescaled",
    "float_discretized",
    "integer_categorical",
    "string_categorical",
    "integer_hashed",
    "string_hashed",
)


@builtin("utils")
class FeatureSpace(Layer):
    """A dict of columns to one vector a row, or to a dict of them.

    Args:
        features: `{column: kind}`; a kind is a name such as "integer_categorical", what the class
            method of that name returns, or `FeatureSpace.feature(dtype, layer, output_mode)`.
        output_mode: "concat": one array, columns in the order of their names, then crosses;
            "dict": one array for each.
        crosses: tuples of columns that are hashed together, or `FeatureSpace.cross(...)`.
        crossing_dim, hashing_dim, num_discretization_bins: sizes where a kind or a cross is given
            by its name alone.

    `adapt` comes first where a column needs it. Columns may be arrays (N,) or (N, k), lists, or
    scalars for a single row.

    >>> space = FeatureSpace({"size": "float_normalized", "color": "string_categorical"})
    >>> data = {"size": [1.0, 3.0], "color": ["red", "blue"]}
    >>> space.adapt(data)
    >>> space(data).tolist()
    [[0.0, 1.0, 0.0, -1.0], [0.0, 0.0, 1.0, 1.0]]
    """

    encoded_features: Any

    # Files may hold it by itself.
    stands_alone = True
    text_policy = "read"

    # --- kinds of columns

    @classmethod
    def cross(cls, feature_names: Any, crossing_dim: Any, output_mode: str = "one_hot") -> Any:
        """Hash columns together into one of `crossing_dim` bins."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: DTypeLike, preprocessor: Any, output_mode: str) -> Any:
        """Send a column through a layer of the caller's."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Any:
        """Numbers as they are."""
        name = name or naming.auto_name("float")
        return Feature("float32", TFDIdentity(dtype="float32", name=_inner(name)), "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Any:
        """x scale + offset."""
        name = name or naming.auto_name("float_rescaled")
        return Feature("float32", Rescaling(scale, offset, name=_inner(name)), "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Any:
        """Numbers with the mean 0 and the variance 1."""
        name = name or naming.auto_name("float_normalized")
        return Feature("float32", Normalization(axis=-1, name=_inner(name)), "float")

    @classmethod
    def float_discretized(
        cls,
        num_bins: int,
        bin_boundaries: Any = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Any:
        """The bin of a number: one of `num_bins` that `adapt` learns, or of given ones.

        Args:
            bin_boundaries: where bins begin; num_bins must be None or one more than there are.
        """
        name = name or naming.auto_name("float_discretized")
        if bin_boundaries is not None and num_bins not in (None, len(bin_boundaries) + 1):
            raise ValueError(
                f"{name}: expected num_bins={len(bin_boundaries) + 1} for {len(bin_boundaries)} "
                f"bin_boundaries, got {num_bins!r}; pass None"
            )
        bins = num_bins if bin_boundaries is None else None
        layer = Discretization(bin_boundaries, num_bins=bins, name=_inner(name))
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: Any = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Any:
        """The number of an integer in the vocabulary that `adapt` learns."""
        name = name or naming.auto_name("integer_categorical")
        layer = IntegerLookup(
            max_tokens=max_tokens, num_oov_indices=num_oov_indices, name=_inner(name)
        )
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: Any = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Any:
        """The number of a string in the vocabulary that `adapt` learns."""
        name = name or naming.auto_name("string_categorical")
        layer = StringLookup(
            max_tokens=max_tokens, num_oov_indices=num_oov_indices, name=_inner(name)
        )
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Any:
        """The bin of a string, by its hash."""
        name = name or naming.auto_name("string_hashed")
        return Feature("string", Hashing(num_bins, name=_inner(name)), output_mode)

    @classmethod
    def integer_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Any:
        """The bin of an integer, by its hash."""
        name = name or naming.auto_name("integer_hashed")
        return Feature("int32", Hashing(num_bins, name=_inner(name)), output_mode)

    def __init__(
        self,
        features: Any,
        output_mode: str = "concat",
        crosses: Any = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not features or not isinstance(features, dict):
            raise ValueError(f"{self.name}: expected `features` {{name: kind}}, got {features!r}")
        self.output_mode = _check_mode(self.name, output_mode, ("concat", "dict"))
        self.crossing_dim = crossing_dim
        self.hashing_dim = hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.features = {key: self._feature(key, kind) for key, kind in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.crosses_by_name = {cross.name: cross for cross in self.crosses}
        self.preprocessors = {key: f.preprocessor for key, f in self.features.items()}
        self.crossers = {c.name: Crosser(c.crossing_dim, c.name) for c in self.crosses}
        self.one_hot_encoders = {}
        self.inputs = {
            key: Input(shape=(1,), dtype=f.dtype, name=key) for key, f in self.features.items()
        }
        self.encoded_features = None
        self._is_adapted = False

    def _feature(self, name, kind):
        if isinstance(kind, dict):
            kind = serialization.deserialize_keras_object(kind)
        if isinstance(kind, Feature):
            return kind
        if kind not in _NAMED:
            raise ValueError(
                f"{self.name}: expected the feature `{name}` to be one of {_NAMED} or a Feature, "
                f"got {kind!r}"
            )
        size = {"float_discretized": self.num_discretization_bins}.get(kind, self.hashing_dim)
        sized = kind in ("float_discretized", "integer_hashed", "string_hashed")
        return getattr(self, kind)(*[size] * sized, name=name)

    def _cross(self, cross):
        if isinstance(cross, dict):
            cross = serialization.deserialize_keras_object(cross)
        if not isinstance(cross, Cross):
            cross = Cross(cross, self.crossing_dim)
        unknown = sorted(set(cross.feature_names) - set(self.features))
        if unknown:
            raise ValueError(
                f"{self.name}: expected `crosses` of {sorted(self.features)}, got unknown features "
                f"{unknown}"
            )
        return cross

    # --- adapt

    def _list_adaptable_preprocessors(self):
        return [key for key, layer in self.preprocessors.items() if _is_adaptable(layer)]

    def adapt(self, dataset: Any) -> None:
        """Let the layers of the columns learn from data.

        Args:
            dataset: dict of columns, or a Dataset or other iterable of dicts: of rows or batches.
        """
        if isinstance(dataset, dict):
            rows = _rows_of(self.name, dataset)
        elif hasattr(dataset, "__iter__") and not isinstance(dataset, (str, bytes, np.ndarray)):
            rows = list(dataset) if iter(dataset) is dataset else dataset
        else:
            raise ValueError(
                f"{self.name}.adapt: expected a dict of columns or a Dataset of such dicts, got "
                f"{type(dataset).__name__}"
            )
        for key in self._list_adaptable_preprocessors():
                self.preprocessors[key].adapt(self._batches(rows, key))
        self._is_adapted = True
        self.encoded_features = None
        self.one_hot_encoders = {}
        self._finish()

    def _batches(self, rows, key):
        """The batches of one column, as arrays of two dimensions or more."""
        column = (self._item(row, key) for row in rows)
        first = next(column, None)
        if first is None:
            raise ValueError(f"{self.name}.adapt: expected data, got none")
        column = itertools.chain([first], column)
        if first.ndim == 0:
            while group := list(itertools.islice(column, _ROWS)):
                yield np.stack(group)[:, None]
        for batch in column:
            yield batch[:, None] if batch.ndim == 1 else batch

    def _item(self, row, key):
        if not isinstance(row, dict):
            raise TypeError(
                f"{self.name}.adapt: expected elements that are dicts of columns, got "
                f"{type(row).__name__}; map targets away first: data.map(lambda x, y: x)"
            )
        if key not in row:
            raise ValueError(
                f"{self.name}.adapt: expected the column `{key}`, got {sorted(row)}"
            )
        return np.asarray(row[key])

    def _check_adapted(self):
        if not self._is_adapted:
            waiting = self._list_adaptable_preprocessors()
            if waiting:
                raise ValueError(
                    f"{self.name}: expected an adapted FeatureSpace, got one whose features "
                    f"{waiting} have learned nothing; call adapt(dataset) before you start using it"
                )
            self._is_adapted = True

    # --- what becomes of the columns

    def _finish(self):
        """Make the encoders and the symbolic outputs, once the layers have learned."""
        if self.encoded_features is not None:
            return
        self._check_adapted()
        encoded = {}
        for key, spec in self._in_order():
            shape, dtype = self._raw_output(key)
            if spec.output_mode == "one_hot":
                depth = self._depth(key, dtype)
                self.one_hot_encoders[key] = CategoryEncoding(depth, output_mode="multi_hot")
                shape = self.one_hot_encoders[key].compute_output_shape(shape)
                dtype = self.one_hot_encoders[key].dtype
            if self.output_mode == "concat" and not dtype.startswith(("float", "bfloat")):
                raise ValueError(
                    f"{self.name}: expected floats of all features to concatenate, got {dtype} of "
                    f"`{key}`, which is not encoded; use output_mode='dict'"
                )
            encoded[key] = KerasTensor(shape, dtype, key)
        self.encoded_features = encoded
        if self.output_mode == "concat":
            parts = list(encoded.values())
            shape = (*parts[0].shape[:-1], sum(p.shape[-1] for p in parts))
            self.encoded_features = KerasTensor(shape, parts[0].dtype, self.name)
        self.built = True

    def _in_order(self):
        for specs in (self.features, self.crosses_by_name):
            for key in sorted(specs):
                yield key, specs[key]

    def _raw_output(self, key):
        """Shape and dtype of a column behind its layer, or of a cross."""
        if key in self.crossers:
            return (None, 1), "int64"
        layer = self.preprocessors[key]
        if not layer.built:
            layer.build((None, 1))
        return layer.compute_output_shape((None, 1)), layer.integer_dtype() or layer.compute_dtype

    def _depth(self, key, dtype):
        if not dtype.startswith("int"):
            raise ValueError(
                f"{self.name}: expected integers of `{key}` for output_mode='one_hot', got {dtype}"
            )
        layer = self.preprocessors.get(key) or self.crossers[key]
        if isinstance(layer, (IntegerLookup, StringLookup)):
            return layer.vocabulary_size()
        if isinstance(layer, Discretization):
            return layer.num_bins or len(layer.bin_boundaries) + 1
        if isinstance(layer, (Hashing, Crosser)):
            return layer.num_bins
        raise ValueError(
            f"{self.name}: expected a standard feature for output_mode='one_hot', got `{key}` of "
            f"{type(layer).__name__}, whose number of ids is not known; use output_mode='int'"
        )

    def get_inputs(self) -> Any:
        """`{column: symbolic tensor}` of what a call takes."""
        self._finish()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """The symbolic tensor, or dict of them, of what a call returns."""
        self._finish()
        return self.encoded_features

    def __call__(self, data: Any) -> Any:
        """Encode a dict of columns; scalars are one row, and give one without a batch axis."""
        self._finish()
        if not isinstance(data, dict):
            raise ValueError(
                f"{self.name}: expected a dict of columns, got {type(data).__name__}"
            )
        missing = sorted(set(self.features) - set(data))
        if missing:
            raise ValueError(f"{self.name}: expected the columns {missing}, got {sorted(data)}")
        columns = {key: _column(data[key], f.dtype) for key, f in self.features.items()}
        single = any(c.ndim == 0 for c in columns.values())
        columns = {
            key: c.reshape(1, 1) if c.ndim == 0 else c[:, None] if c.ndim == 1 else c
            for key, c in columns.items()
        }
        values = {key: np.asarray(self.preprocessors[key](c)) for key, c in columns.items()}
        for cross in self.crosses:
            crossed = [values[key] for key in cross.feature_names]
            values[cross.name] = self.crossers[cross.name](crossed)
        encoded = {}
        for key, _ in self._in_order():
            encoder = self.one_hot_encoders.get(key)
            encoded[key] = values[key] if encoder is None else np.asarray(encoder(values[key]))
        if self.output_mode == "concat":
            whole = np.concatenate(list(encoded.values()), axis=-1)
            return results.handed(whole[0] if single and len(whole) == 1 else whole)
        return {
            key: results.handed(v[0] if single and v.ndim == 2 and len(v) == 1 else v)
            for key, v in encoded.items()
        }

    # --- files and configuration

    def save(self, filepath: FileLike) -> None:
        """Write a `.keras` file, which `models.load_model` reads."""
        self._finish()
        saving_api.save_model(self, filepath)

    def get_config(self) -> Config:
        return {
            "features": serialization.serialize_keras_object(self.features),
            "output_mode": self.output_mode,
            "crosses": serialization.serialize_keras_object(self.crosses),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return construct(cls, config)

    def get_build_config(self) -> Any:
        return {key: layer.get_build_config() for key, layer in self.preprocessors.items()}

    def build_from_config(self, config: Config) -> None:
        for key, known in config.items():
            if key in self.preprocessors and not self.preprocessors[key].built:
                self.preprocessors[key].build_from_config(known)
        self._is_adapted = True


def _inner(name):
    return f"{name}_preprocessor"


def _is_adaptable(layer):
    if isinstance(layer, Normalization):
        return layer.input_mean is None
    if isinstance(layer, Discretization):
        return layer.num_bins is not None
    return hasattr(layer, "adapt") and not getattr(layer, "_has_input_vocabulary", False)


def _column(value, dtype):
    x = np.asarray(value)
    if dtype.startswith("float") and x.dtype.kind in "fiub":
        return x.astype(dtype)
    return x


def _rows_of(where, columns):
    """The rows of a dict of columns, as dicts."""
    arrays = {key: np.asarray(value) for key, value in columns.items()}
    sizes = {key: a.shape[0] if a.ndim else None for key, a in arrays.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values():
        raise ValueError(f"{where}.adapt: expected columns of one length, got {sizes}")
    count = next(iter(sizes.values()))
    return [{key: a[i] for key, a in arrays.items()} for i in range(count)]
