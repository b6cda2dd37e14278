"""`pyseq.distribution.engines` on real engines, started on this machine."""

import os
import sys

import numpy as np
import pytest
from launching import needs

import pyseq
from pyseq import layers
from pyseq.distribution.engines import predict, spark_udf

# What the engines and pandas warn of among themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

PACKAGES = os.path.dirname(os.path.dirname(pyseq.__file__))
NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def model():
    return pyseq.Sequential([pyseq.Input((4,)), layers.Dense(8, "relu"), layers.Dense(3)])


@pytest.fixture
def single():
    return pyseq.Sequential([pyseq.Input((4,)), layers.Dense(1)])


@pytest.fixture
def x(rng):
    return rng.normal(size=(40, 4)).astype("float32")


def close(y, expected):
    """Rows go together in other batches, so sums may be rounded otherwise."""
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def answer(model, x):
    return model.predict(x, verbose=0)


def doubling():
    """A model with code of its own, in a class that workers cannot import."""

    class Doubling(pyseq.Layer):
        def call(self, x):
            return x * 2.0

    return pyseq.Sequential([pyseq.Input((4,)), Doubling()])


# --- what is wrong with any engine's data


def test_data_of_no_engine(model, x):
    with pytest.raises(TypeError, match="got ndarray; model.predict takes arrays"):
        predict(model, x)
    with pytest.raises(TypeError, match="got list; see model.predict"):
        predict(model, [1.0])
    with pytest.raises(TypeError, match="expected a model, got ndarray; pass the data second"):
        predict(x, model)


def test_models_that_cannot_be_used():
    with pytest.raises(ValueError, match=r"expected a built model, got sequential.*build\(input"):
        predict(pyseq.Sequential([layers.Dense(1)], name="sequential"), None)
    stateful = pyseq.Sequential(
        [pyseq.Input(batch_shape=(2, 3, 4)), layers.GRU(2, stateful=True)], name="keeps"
    )
    with pytest.raises(ValueError, match="keeps with stateful layers; make them with stateful=Fa"):
        predict(stateful, None)


def test_batch_size(model):
    with pytest.raises(ValueError, match="expected batch_size of at least 1, got 0"):
        predict(model, None, batch_size=0)
    with pytest.raises(TypeError, match="expected a whole number as batch_size, got 1.5"):
        predict(model, None, batch_size=1.5)


def test_spark_udf_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "pyseq-nn\[spark\]"'):
        spark_udf(model)


def test_engines_that_are_not_installed(monkeypatch):
    for name in ("ray", "dask"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception, match=r'pip install "pyseq-nn\[ray\]"'):
        needs("ray", "ray")
    with pytest.raises(ModuleNotFoundError):
        needs("dask", "dask")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r'pip install "pyseq-nn\[dask\]"'):
        needs("dask", "dask")


# --- Dask


@pytest.fixture
def da():
    return needs("dask.array", "dask")


@pytest.fixture
def dd():
    return needs("dask.dataframe", "dask")


@pytest.fixture
def frame(x):
    return needs("pandas", "dask").DataFrame(x, columns=NAMES).assign(id=np.arange(len(x)))


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_dask_array(da, model, x, scheduler):
    y = predict(model, da.from_array(x, chunks=(16, 4)), batch_size=8)
    assert (y.shape, y.dtype, y.chunks) == ((40, 3), "float32", ((16, 16, 8), (3,)))
    assert y._meta.shape == (0, 0)
    computed = y.compute(scheduler=scheduler)
    close(computed, answer(model, x))
    assert computed.dtype == y.dtype


def test_dask_array_of_images(da, rng):
    model = pyseq.Sequential(
        [pyseq.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(5)]
    )
    x = rng.normal(size=(7, 6, 6, 2)).astype("float32")
    y = predict(model, da.from_array(x, chunks=(3, 6, 6, 2)))
    assert (y.shape, y.chunks) == ((7, 5), ((3, 3, 1), (5,)))
    close(y.compute(), answer(model, x))


def test_dask_array_of_sequences(da, rng):
    """The length of a sequence, and so of its output, is known from the data."""
    model = pyseq.Sequential([pyseq.Input((None, 2)), layers.LSTM(3, return_sequences=True)])
    x = rng.normal(size=(5, 4, 2)).astype("float32")
    y = predict(model, da.from_array(x, chunks=(2, 4, 2)))
    assert y.shape == (5, 4, 3)
    close(y.compute(), answer(model, x))


@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_float16"])
@pytest.mark.parametrize("own", [False, True])
def test_dask_array_has_the_dtype_it_says(da, x, policy, own):
    class Own(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2, dtype=policy)

        def call(self, x):
            return self.dense(x)

    if own:
        model = Own()
        model.build((None, 4))
    else:
        model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(2, dtype=policy)])
    y = predict(model, da.from_array(x, chunks=(16, 4)))
    assert y.dtype == y.compute().dtype == answer(model, x).dtype
    np.testing.assert_allclose(y.compute(), answer(model, x), rtol=1e-3)


def test_dask_array_with_chunks_of_unknown_or_no_rows(da, model, x):
    data = da.from_array(x, chunks=(16, 4))
    y = predict(model, data[data[:, 0] > 0.5])
    assert np.isnan(y.shape[0])
    close(y.compute(), answer(model, x[x[:, 0] > 0.5]))
    none = predict(model, data[data[:, 0] > 100]).compute()
    assert (none.shape, none.dtype) == ((0, 3), "float32")


def test_dask_array_of_one_axis(da):
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Dense(2)])
    x = np.arange(6, dtype="float32")
    y = predict(model, da.from_array(x, chunks=4))
    assert y.shape == (6, 2)
    close(y.compute(), answer(model, x))


def test_dask_names_the_same_work_the_same(da, model, x):
    data = da.from_array(x, chunks=(16, 4))
    first, again = predict(model, data), predict(model, data)
    model.set_weights([w + 1 for w in model.get_weights()])
    assert first.name == again.name != predict(model, data).name


def test_dask_array_errors(da, model, x):
    with pytest.raises(ValueError, match=r"in one chunk along axis 1, got 2; call rechunk\(\{1: -"):
        predict(model, da.from_array(x, chunks=(16, 2)))
    with pytest.raises(ValueError, match=r"expected rows of shape \(4,\) for .*, got \(3,\); choo"):
        predict(model, da.from_array(x[:, :3], chunks=(16, 3)))
    with pytest.raises(TypeError, match="expected no columns and no output for a Dask array"):
        predict(model, da.from_array(x), columns=["a"])
    with pytest.raises(TypeError, match="expected concurrency for a Ray Dataset alone, got 2"):
        predict(model, da.from_array(x), concurrency=2)


@pytest.mark.parametrize("scheduler", ["sync", "processes"])
def test_dask_frame(dd, model, x, frame, scheduler):
    data = dd.from_pandas(frame, npartitions=3)
    y = predict(model, data, columns=NAMES)
    added = ["prediction_0", "prediction_1", "prediction_2"]
    assert list(y.columns) == [*NAMES, "id", *added]
    assert list(y.dtypes[added]) == ["float32"] * 3
    computed = y.compute(scheduler=scheduler)
    close(computed[added].to_numpy(), answer(model, x))
    np.testing.assert_array_equal(computed["id"], frame["id"])
    assert list(computed.dtypes) == list(y.dtypes)
    assert list(frame.columns) == [*NAMES, "id"]


def test_dask_frame_by_names(dd, model, single, x, frame):
    data = dd.from_pandas(frame, npartitions=2)
    y = predict(model, data, NAMES[::-1], output=["u", "v", "w"])
    close(y[["u", "v", "w"]].compute(), answer(model, x[:, ::-1]))
    y = predict(single, data[NAMES], output="score", batch_size=5)
    close(y["score"].compute(), answer(single, x)[:, 0])
    empty = predict(single, data[data["a"] > 100], NAMES).compute()
    assert len(empty) == 0 and empty["prediction"].dtype == "float32"


def test_dask_frame_of_texts(dd):
    pd = needs("pandas", "dask")
    words = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)
    model = pyseq.Sequential(
        [pyseq.Input((1,), dtype="string"), words, layers.Embedding(4, 2), layers.Flatten(),
         layers.Dense(1)]
    )
    texts = ["good", "bad bad", "neither good nor bad", ""]
    data = dd.from_pandas(pd.DataFrame({"text": texts}), npartitions=2)
    y = predict(model, data, "text")["prediction"].compute()
    close(y, answer(model, np.array(texts, object))[:, 0])


def test_frame_errors(dd, model, frame):
    data = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(ValueError, match=r"expected columns among \['a', .*, got \['z'\]"):
        predict(model, data, ["a", "z"])
    with pytest.raises(ValueError, match=r"expected rows of shape \(4,\) for .*, got \(5,\)"):
        predict(model, data)
    with pytest.raises(ValueError, match=r"expected rows of shape \(4,\) for .*, got \(1,\)"):
        predict(model, data, "a")
    with pytest.raises(ValueError, match=r"expected new names in output, got \['id'\]"):
        predict(model, data, NAMES, output=["id", "v", "w"])
    with pytest.raises(ValueError, match="expected 3 different names in output, one for each"):
        predict(model, data, NAMES, output=["u", "v"])
    with pytest.raises(TypeError, match="expected output to be a name, or a list of names"):
        predict(model, data, NAMES, output=[1, 2, 3])
    images = pyseq.Sequential([pyseq.Input((4,)), layers.Reshape((2, 2))])
    with pytest.raises(ValueError, match=r"of one axis for the columns.*use a Dask array"):
        predict(images, data, NAMES)
    with pytest.raises(TypeError, match="expected a Dask array or dataframe.*got Series"):
        predict(model, data["a"])


def test_dask_takes_classes_along(da, x):
    y = predict(doubling(), da.from_array(x, chunks=(16, 4)))
    close(y.compute(scheduler="processes"), x * 2)


# --- Ray


@pytest.fixture(scope="module")
def ray():
    ray = needs("ray", "ray")
    needs("ray.data", "ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PACKAGES)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
            object_store_memory=100 * 2**20,
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
        ray.shutdown()


def rows_of(dataset, *names):
    rows = sorted(dataset.take_all(), key=lambda row: row["id"])
    return np.array([[row[name] for name in names] for row in rows])


@pytest.mark.slow
def test_ray(ray, model, single, x, frame):
    data = ray.data.from_pandas(frame)
    y = predict(model, data, NAMES, batch_size=7, concurrency=1)
    close(rows_of(y, "prediction")[:, 0], answer(model, x))
    y = predict(single, data, NAMES, output="score", concurrency=(1, 2)).materialize()
    assert y.columns() == [*NAMES, "id", "score"]
    assert str(y.schema().types[-1]) == "float"
    close(rows_of(y, "score"), answer(single, x))


@pytest.mark.slow
def test_ray_of_arrays(ray, rng):
    model = pyseq.Sequential([pyseq.Input((2, 3)), layers.Dense(5)])
    images = rng.normal(size=(9, 2, 3)).astype("float32")
    batches = list(predict(model, ray.data.from_numpy(images)).iter_batches(batch_format="numpy"))
    close(np.concatenate([batch["prediction"] for batch in batches]), answer(model, images))


@pytest.mark.slow
def test_ray_takes_classes_along(ray, x, frame):
    data = ray.data.from_pandas(frame).map_batches(lambda batch: batch)  # columns: not known yet
    names = ["u", "v", "w", "z"]
    y = predict(doubling(), data, NAMES, output=names, concurrency=1)
    close(rows_of(y, *names), x * 2)


@pytest.mark.slow
def test_ray_errors(ray, model, frame):
    data = ray.data.from_pandas(frame)
    with pytest.raises(ValueError, match=r"expected columns among \['a', .*, got \['z'\]"):
        predict(model, data, "z")
    with pytest.raises(ValueError, match=r"expected rows of shape \(4,\) for .*, got \(5,\)"):
        predict(model, data)
    with pytest.raises(ValueError, match=r"expected new names in output, got \['id'\]"):
        predict(model, data, NAMES, output="id")


# --- Spark


@pytest.fixture(scope="module")
def spark():
    import shutil

    sql = needs("pyspark.sql", "spark")
    needs("pyarrow", "spark")
    needs("pandas", "spark")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("no Java: install a JDK, or set JAVA_HOME")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PACKAGES)
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            sql.SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "7")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


def by_id(dataframe):
    return dataframe.toPandas().sort_values("id")


@pytest.mark.slow
def test_spark(spark, model, x, frame):
    data = spark.createDataFrame(frame)
    y = predict(model, data, NAMES)
    assert y.schema["prediction"].dataType.simpleString() == "array<float>"
    y = by_id(y)
    assert list(y.columns) == [*NAMES, "id", "prediction"]
    close(np.stack(y["prediction"]), answer(model, x))
    y = by_id(predict(model, data, NAMES, output=["u", "v", "w"], batch_size=2))
    close(y[["u", "v", "w"]], answer(model, x))


@pytest.mark.slow
def test_spark_one_output(spark, single, x, frame):
    y = predict(single, spark.createDataFrame(frame), NAMES[::-1], output="score")
    assert y.schema["score"].dataType.simpleString() == "float"
    close(by_id(y)["score"], answer(single, x[:, ::-1])[:, 0])


@pytest.mark.slow
def test_spark_takes_classes_along(spark, x, frame):
    y = by_id(predict(doubling(), spark.createDataFrame(frame), NAMES))
    close(np.stack(y["prediction"]), x * 2)


@pytest.mark.slow
def test_spark_of_arrays(spark, rng):
    model = pyseq.Sequential([pyseq.Input((2, 3)), layers.Dense(2)])
    x = rng.normal(size=(9, 2, 3)).astype("float32")
    data = spark.createDataFrame(
        [(i, row.tolist()) for i, row in enumerate(x)], "id int, image array<array<float>>"
    )
    y = predict(model, data, "image").collect()
    close([row["prediction"] for row in y], answer(model, x))
    assert [row["image"] for row in y] == x.tolist()


@pytest.mark.slow
def test_spark_udf(spark, model, single, x, frame):
    data = spark.createDataFrame(frame)
    y = by_id(data.withColumn("y", spark_udf(model)(*NAMES)))
    close(np.stack(y["y"]), answer(model, x))
    spark.udf.register("score", spark_udf(single, batch_size=3))
    data.createOrReplaceTempView("data")
    y = by_id(spark.sql("select id, score(a, b, c, d) as y from data"))
    close(y["y"], answer(single, x)[:, 0])


@pytest.mark.slow
def test_spark_errors(spark, model, frame):
    data = spark.createDataFrame(frame)
    with pytest.raises(ValueError, match=r"expected columns among \['a', .*, got \['z'\]"):
        predict(model, data, "z")
    with pytest.raises(ValueError, match=r"expected rows of shape \(4,\) for .*, got \(1,\)"):
        predict(model, data, "a")
    with pytest.raises(ValueError, match=r"expected new names in output, got \['id'\]"):
        predict(model, data, NAMES, output="id")


def test_spark_udf_needs_a_session(model):
    sql = needs("pyspark.sql", "spark")
    needs("pandas", "spark")
    if sql.SparkSession.getActiveSession() is not None:
        sql.SparkSession.getActiveSession().stop()
    with pytest.raises(RuntimeError, match="expected an active Spark session, got none"):
        spark_udf(model)
