"""Predictions for the data of Dask, Ray Data and Spark, made where the data is.

Each worker opens the model once (`shipping`) and keeps it. The engines are only imported where data
of theirs, or a function for them, is asked for.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pyseq import dtypes, lowering
from pyseq.distribution import shipping
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.training.data import fit_rank, whole
from pyseq.training.model import Model

_WHERE = "pyseq.distribution.predict"


def predict(
    model: Model,
    data: Any,
    columns: Any = None,
    output: Any = "prediction",
    batch_size: int | None = None,
    concurrency: int | tuple[int, int] | None = None,
) -> Any:
    """Outputs of a model for data of an engine, as data of that engine.

    What comes back is lazy where the engine is. The model is taken as it is now; workers need
    pyseq, and modules that the model's own code is imported from.

    | data | what comes back |
    |---|---|
    | Dask array `(n, ...)`, cut along axis 0 alone | Dask array `(n, ...)` of outputs |
    | Dask dataframe | the same with columns for the outputs |
    | Ray `Dataset` | the same with a column for the outputs, by a pool of actors |
    | Spark `DataFrame` | the same with a column for the outputs, by `mapInPandas` |

    Args:
        model: a built model that keeps no states between batches.
        data: Dask array or dataframe, Ray `Dataset`, Spark `DataFrame`.
        columns: what the model reads: names of columns of numbers, side by side in this order, or
            the name of one column, whose values may be arrays or texts. None: all columns.
        output: name of the new column. Where a row has several outputs, it holds arrays; those of
            a Dask dataframe become columns `prediction_0`, `prediction_1`, ... A list names one
            column for each output.
        batch_size: rows at once; None leaves that to the model. For Ray also the rows that an
            actor gets at once.
        concurrency: actors of Ray's pool, or `(fewest, most)`; None: up to one for each CPU.

    Raises:
        TypeError: `model` is no model or cannot be pickled; `data` is of no engine; an argument
            means nothing for such data.
        ValueError: the model is not built, or stateful; columns or shapes do not fit it; an array
            is cut along another axis; a new column has the name of another.

    >>> import numpy as np, pyseq
    >>> model = pyseq.Sequential([pyseq.Input((4,)), pyseq.layers.Dense(3)])
    >>> predict(model, np.ones((2, 4)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    TypeError: pyseq.distribution.predict: expected ... got ndarray; model.predict takes arrays
    """
    _check_model(model, _WHERE)
    if batch_size is not None:
        batch_size = whole(batch_size, "batch_size", _WHERE)
        if batch_size < 1:
            raise ValueError(f"{_WHERE}: expected batch_size of at least 1, got {batch_size}")
    engine = _engine(data)
    if concurrency is not None and engine is not _on_ray:
        raise TypeError(
            f"{_WHERE}: expected concurrency for a Ray Dataset alone, got {concurrency!r}; leave "
            "it out: the scheduler of Dask or Spark decides"
        )
    if engine is _on_dask_array:
        if columns is not None or output != "prediction":
            raise TypeError(
                f"{_WHERE}: expected no columns and no output for a Dask array, got {columns!r}, "
                f"{output!r}; arrays have no columns"
            )
        return _on_dask_array(model, data, batch_size)
    if engine is _on_ray:
        return _on_ray(model, data, columns, output, batch_size, concurrency)
    return engine(model, data, columns, output, batch_size)


def spark_udf(model: Model, batch_size: int | None = None) -> Any:
    """A Spark function of columns that answers with the outputs of a model.

    It takes columns of numbers, `(n,)` each, or one column of arrays or texts; it gives a number,
    or an array of them where a row has several outputs. The bytes of the model are broadcast by
    the active session: `spark.udf.register("score", spark_udf(model))` offers it to SQL.

    Args:
        model: a built model that keeps no states between batches.
        batch_size: rows at once; None leaves that to the model.

    Raises:
        ModuleNotFoundError: PySpark or pandas is not installed.
        RuntimeError: no session is active.
        TypeError, ValueError: as `predict` does; workers raise where columns do not fit.
    """
    where = "pyseq.distribution.spark_udf"
    _check_model(model, where)
    try:
        import pandas
        from pyspark import cloudpickle
        from pyspark.sql import SparkSession, functions
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{where}: expected PySpark and pandas, got {error}; pip install "pyseq-nn[spark]"'
        ) from error
    session = SparkSession.getActiveSession()
    if session is None:
        raise RuntimeError(
            f"{where}: expected an active Spark session, got none; call "
            "SparkSession.builder.getOrCreate() first"
        )
    result = _Output(model, model.output_shape, model.input_shape)
    shipped = _broadcast(session, shipping.pack(model, cloudpickle.dumps))

    def answer(parts):
        for columns in parts:
            x = _rows([column.to_numpy() for column in columns])
            yield pandas.Series(_cells(result.column(shipped, x, batch_size)))

    # Spark reads the kind of function from its annotations.
    answer.__annotations__ = {
        "parts": Iterator[tuple[pandas.Series, ...]],
        "return": Iterator[pandas.Series],
    }
    return functions.pandas_udf(answer, result.spark_type())


# --- what models take and give


def _check_model(model, where):
    if not isinstance(model, Model):
        raise TypeError(
            f"{where}: expected a model, got {type(model).__name__}; pass the data second"
        )
    if not model.built:
        raise ValueError(
            f"{where}: expected a built model, got {model.name}, which has not seen its input "
            "shape; put `Input(shape)` first or call `build(input_shape)`"
        )
    if model._is_stateful():
        raise ValueError(
            f"{where}: expected a model whose rows do not depend on each other, got {model.name} "
            "with stateful layers; make them with stateful=False"
        )


def _fitting(model, shape):
    """The shape of rows that the model sees in rows of `shape`, both without the batch."""
    wanted = tuple(model.input_shape)
    given = fit_rank(np.broadcast_to(np.float32(0), (1, *shape)), wanted).shape[1:]
    if len(given) != len(wanted) - 1 or any(
        b not in (a, None) for a, b in zip(given, wanted[1:])
    ):
        raise ValueError(
            f"{_WHERE}: expected rows of shape {wanted[1:]} for {model.name}, got {tuple(shape)}; "
            "choose as many columns, or features, as the model has inputs"
        )
    return given


def _output_dtype(model, input_shape):
    """The name of the dtype of what the model hands out."""
    if None not in input_shape[1:] and not model._text_layers():
        graph, value = lowering.lower(model, tuple(input_shape[1:]), False, None)
        return value.dtype or value.half or graph.dtype
    value = getattr(model, "output", None)
    if value is None:
        value = model.compute_output_spec(KerasTensor(input_shape))
    return dtypes.standardize_dtype(value.dtype)


class _Output:
    """What comes of the rows of a model: shape without the batch, dtype, and how it is made.

    Args:
        model: the model.
        shape: of its outputs, with the batch.
        input_shape: of its inputs, with the batch.
    """

    def __init__(self, model, shape, input_shape):
        self.shape = tuple(shape[1:])
        self.dtype = _output_dtype(model, input_shape)

    def __dask_tokenize__(self):
        return "pyseq.Output", self.shape, self.dtype

    def array(self, shipped, x, batch_size):
        """Outputs `(n, ...)` for rows `x (n, ...)`, of which there may be none."""
        dtype = dtypes.numpy_dtype(self.dtype)
        if len(x) == 0:
            return np.empty((0, *(size or 0 for size in self.shape)), dtype)
        y = shipped.model.predict(x, batch_size=batch_size, verbose=0)
        return np.asarray(y).astype(dtype, copy=False)

    @property
    def is_single(self):
        """Whether a row has one number."""
        return self.shape in ((), (1,))

    @property
    def column_dtype(self):
        """Of numbers in tables, which have no 16-bit floats everywhere."""
        return dtypes.compute_dtype(self.dtype)

    def column(self, shipped, x, batch_size):
        """Outputs as tables hold them: `(n,)` where a row has one number, else `(n, ...)`."""
        y = self.array(shipped, x, batch_size).astype(self.column_dtype, copy=False)
        return y.reshape(-1) if self.is_single else y

    def names(self, output, apart):
        """Names of the new columns; `apart`: each number has one of its own."""
        if not isinstance(output, str):
            output = list(output)
            if len(self.shape) > 1 or output != list(map(str, output)):
                raise TypeError(
                    f"{_WHERE}: expected output to be a name, or a list of names for outputs of "
                    f"one axis, got {output!r} for outputs of shape {self.shape}"
                )
            count = 1 if self.is_single else self.shape[0]
            if len(output) != count or len(set(output)) != count:
                raise ValueError(
                    f"{_WHERE}: expected {count} different names in output, one for each number "
                    f"of a row, got {output}"
                )
            return output
        if self.is_single or not apart:
            return [output]
        if len(self.shape) != 1 or self.shape[0] is None:
            raise ValueError(
                f"{_WHERE}: expected outputs of one axis for the columns of a dataframe, got "
                f"outputs of shape {self.shape}; use a Dask array"
            )
        return [f"{output}_{i}" for i in range(self.shape[0])]

    def spark_type(self, apart=False):
        """The type of a new column of Spark; `apart`: each number has one of its own."""
        from pyspark.sql import types

        kinds = {
            "float32": types.FloatType,
            "float64": types.DoubleType,
            "int64": types.LongType,
            "bool": types.BooleanType,
        }
        kind = kinds.get(self.column_dtype, types.IntegerType)()
        for _ in () if self.is_single or apart else self.shape:
            kind = types.ArrayType(kind)
        return kind


# --- columns


class _Table:
    """From columns of a batch to those of its outputs.

    Args:
        model: the model.
        known: the names of all columns, None if only batches tell.
        columns, output: as `predict` takes them.
        is_number: whether the column of a name holds numbers, as far as is known.
        apart: whether each number of a row gets a column of its own.
    """

    def __init__(self, model, known, columns, output, is_number, apart=False):
        self.columns = [columns] if isinstance(columns, str) else columns and list(columns)
        if known is not None:
            self.columns = list(known) if self.columns is None else self.columns
            self._check_columns(model, list(known), is_number)
        shape = model.input_shape
        if self.columns is not None and len(self.columns) > 1:
            shape = (None, *_fitting(model, (len(self.columns),)))
        self.result = _Output(model, model.compute_output_shape(shape), shape)
        self.names = self.result.names(output, apart)
        self._check_new(known or ())

    def _check_new(self, known):
        taken = [name for name in self.names if name in known]
        if taken:
            raise ValueError(
                f"{_WHERE}: expected new names in output, got {taken}, which the data has; choose "
                "another name"
            )

    def _check_columns(self, model, known, is_number):
        missing = [name for name in self.columns if name not in known]
        if missing or not self.columns:
            raise ValueError(
                f"{_WHERE}: expected columns among {known}, got {missing or self.columns}"
            )
        if len(self.columns) > 1 or is_number(self.columns[0]):
            _fitting(model, (len(self.columns),))

    def answers(self, shipped, read, names, batch_size):
        """`(name, values)` of each new column; `read(name)` gives a column, `names` are all."""
        self._check_new(names)
        x = _rows([read(name) for name in self.columns or names])
        y = self.result.column(shipped, x, batch_size)
        if len(self.names) == 1:
            return [(self.names[0], y)]
        return [(name, y[:, i]) for i, name in enumerate(self.names)]

    def pandas(self, frame, shipped, batch_size):
        """A pandas dataframe with the new columns at its end."""
        frame = frame.copy(deep=False)
        read = functools.partial(_column, frame)
        for name, y in self.answers(shipped, read, list(frame.columns), batch_size):
            frame[name] = _cells(y)
        return frame


def _column(frame, name):
    return frame[name].to_numpy()


def _cells(y):
    """Outputs `(n, ...)` as pandas holds them: numbers, arrays, or lists of lists."""
    return y if y.ndim == 1 else list(y) if y.ndim == 2 else y.tolist()


def _rows(columns):
    """Rows `(n, ...)` of columns `(n,)` of numbers, or of one column of arrays or texts."""
    if len(columns) > 1:
        return np.stack(columns, axis=1)
    x = columns[0]
    if x.dtype == object and len(x) and isinstance(x[0], (list, tuple, np.ndarray)):
        return np.stack([_array(row) for row in x])
    return x


def _array(value):
    """An array of lists of lists, or of arrays within arrays of objects."""
    value = np.asarray(value)
    return np.stack([_array(row) for row in value]) if value.dtype == object else value


# --- engines


def _engine(data):
    for base in type(data).__mro__:
        for place, name, engine in _ENGINES:
            if base.__name__ == name and f"{base.__module__}.".startswith(f"{place}."):
                return engine
    kind = type(data).__name__
    told = "model.predict takes arrays" if isinstance(data, np.ndarray) else "see model.predict"
    raise TypeError(
        f"{_WHERE}: expected a Dask array or dataframe, a Ray Dataset or a Spark DataFrame, got "
        f"{kind}; {told}"
    )


def _on_dask_array(model, data, batch_size):
    import cloudpickle
    from dask import delayed

    for axis, chunks in enumerate(data.chunks[1:], 1):
        if len(chunks) > 1:
            raise ValueError(
                f"{_WHERE}: expected an array in one chunk along axis {axis}, got {len(chunks)}; "
                f"call rechunk({{{axis}: -1}}) first"
            )
    shape = (None, *_fitting(model, data.shape[1:]))
    result = _Output(model, model.compute_output_shape(shape), shape)
    return data.map_blocks(
        _predict_block,
        result=result,
        shipped=delayed(shipping.pack(model, cloudpickle.dumps), pure=True),
        batch_size=batch_size,
        chunks=(data.chunks[0], *((size,) for size in result.shape)),
        drop_axis=list(range(1, data.ndim)),
        new_axis=list(range(1, len(result.shape) + 1)),
        dtype=dtypes.numpy_dtype(result.dtype),
        meta=np.empty((0,) * (len(result.shape) + 1), dtypes.numpy_dtype(result.dtype)),
    )


def _predict_block(x, result, shipped, batch_size):
    return result.array(shipped, x, batch_size)


def _on_dask_frame(model, data, columns, output, batch_size):
    import cloudpickle
    from dask import delayed

    kinds = data.dtypes
    known = list(data.columns)
    table = _Table(
        model, known, columns, output, lambda name: _is_numeric(kinds[name]), apart=True
    )
    meta = data._meta.copy()
    for name in table.names:
        meta[name] = np.empty(0, table.result.column_dtype)
    return data.map_partitions(
        table.pandas,
        shipped=delayed(shipping.pack(model, cloudpickle.dumps), pure=True),
        batch_size=batch_size,
        meta=meta,
    )


def _is_numeric(dtype):
    return getattr(dtype, "kind", "O") in "fiub"


def _on_ray(model, data, columns, output, batch_size, concurrency):
    import ray
    from ray import cloudpickle

    known = data.columns(fetch_if_missing=False)
    table = _Table(model, known, columns, output, lambda name: False)
    if concurrency is None:
        concurrency = (1, max(1, int(ray.cluster_resources().get("CPU", 1))))
    least, most = (concurrency,) * 2 if isinstance(concurrency, int) else concurrency
    return data.map_batches(
        _Actor,
        fn_constructor_args=(table, shipping.pack(model, cloudpickle.dumps), batch_size),
        batch_size=batch_size,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
    )


class _Actor:
    """Holds the model; called with batches as dicts of arrays."""

    def __init__(self, table, shipped, batch_size):
        self.table, self.shipped, self.batch_size = table, shipped, batch_size
        shipped.model  # noqa: B018 (opened before the first batch comes)

    def __call__(self, batch):
        names = list(batch)
        answers = self.table.answers(self.shipped, batch.__getitem__, names, self.batch_size)
        return {**batch, **dict(answers)}


def _on_spark(model, data, columns, output, batch_size):
    from pyspark import cloudpickle

    fields = {field.name: field.dataType.typeName() for field in data.schema.fields}
    words = ("string", "array", "binary", "udt")
    table = _Table(
        model, list(fields), columns, output, lambda name: fields[name] not in words
    )
    schema = copy.deepcopy(data.schema)
    for name in table.names:
        schema = schema.add(name, table.result.spark_type(apart=len(table.names) > 1))
    shipped = _broadcast(data.sparkSession, shipping.pack(model, cloudpickle.dumps))

    def answer(frames: Iterable[Any]) -> Iterator[Any]:
        for frame in frames:
            yield table.pandas(frame, shipped, batch_size)

    return data.mapInPandas(answer, schema)


class _Broadcast:
    """A shipped model whose bytes Spark brings to each machine once."""

    def __init__(self, digest, variable):
        self.digest, self.variable = digest, variable

    @property
    def model(self):
        return shipping.opened(self.digest, lambda: self.variable.value)


def _broadcast(session, shipped):
    if type(session).__module__.startswith("pyspark.sql.connect"):
        return shipped  # Spark Connect has no broadcasts: the bytes go with the function
    return _Broadcast(shipped.digest, session.sparkContext.broadcast(shipped.data))


_ENGINES: Sequence[tuple[str, str, Any]] = (
    ("dask.array", "Array", _on_dask_array),
    ("dask.dataframe", "DataFrame", _on_dask_frame),
    ("ray.data", "Dataset", _on_ray),
    ("pyspark.sql", "DataFrame", _on_spark),
)
