"""STFTSpectrogram and MelSpectrogram: numerics at realistic sizes, errors, training."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

SECOND = 8000


@pytest.fixture
def sound(rng):
    """Two signals of a tenth of a second: tones of 440 and 1230 Hz with some noise."""
    time = np.arange(SECOND // 10) / SECOND
    tones = np.stack([np.sin(2 * np.pi * f * time) for f in (440, 1230)])
    return (tones + 0.05 * rng.normal(size=tones.shape)).astype("float32")


@pytest.mark.parametrize("mode", ["log", "magnitude", "psd", "stft"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_stft_equals_keras_with_its_own_kernels(mode, padding, sound, keras):
    ours = layers.STFTSpectrogram(mode=mode, padding=padding)(sound[..., None])
    layer = keras.layers.STFTSpectrogram(mode=mode, padding=padding)
    theirs = layer(sound[..., None]).detach().numpy()
    # Keras computes the angles of its kernels in single precision.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=3e-3 if mode == "log" else 1e-5 * np.abs(theirs).max())


def test_stft_is_the_fourier_transform_of_frames(sound):
    layer = layers.STFTSpectrogram(mode="stft", frame_length=64, window=None, dtype="float64")
    ours = layer(sound[..., None].astype("float64"))
    frames = np.lib.stride_tricks.sliding_window_view(sound, 64, axis=-1)[:, ::32]
    spectrum = np.fft.rfft(frames.astype("float64"))
    np.testing.assert_allclose(ours, np.concatenate([spectrum.real, spectrum.imag], -1), atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_angle_in_all_quadrants(dtype):
    layer = layers.STFTSpectrogram("angle", frame_length=2, frame_step=2, window=None, dtype=dtype)
    layer.build((None, 2, 1))
    layer.set_weights([np.eye(2)[i].reshape(2, 1, 1) * np.ones((1, 1, 2)) for i in (0, 1)])
    angles = np.linspace(-np.pi, np.pi, 1001)[1:-1]
    parts = np.stack([np.cos(angles), np.sin(angles)], -1)
    edges = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1e-20, 1e20]])
    x = np.concatenate([parts, 1e-3 * parts, 1e15 * parts, edges]).astype(dtype)
    y = layer(x[..., None])[:, 0, 0]
    np.testing.assert_allclose(y, np.arctan2(x[:, 1], x[:, 0]), rtol=3e-7, atol=0)


def test_stft_trains(sound):
    model = pyseq.Sequential(
        [
            pyseq.Input((sound.shape[1], 1)),
            layers.STFTSpectrogram(frame_length=64),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(pyseq.optimizers.Adam(0.01), "binary_crossentropy")
    before = model.get_weights()
    history = model.fit(sound[..., None], np.array([[0.0], [1.0]]), epochs=20, verbose=0)
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights()))


def test_window_values_survive_a_config(sound):
    window = np.linspace(0.5, 1.0, 64)
    for layer in (
        layers.STFTSpectrogram(frame_length=64, window=window),
        layers.MelSpectrogram(fft_length=64, window=window, num_mel_bins=8),
    ):
        again = layers.deserialize(layers.serialize(layer))
        np.testing.assert_array_equal(again.window, window)
        x = sound[..., None] if isinstance(layer, layers.STFTSpectrogram) else sound
        np.testing.assert_array_equal(layer(x), again(x))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"power_to_db": False, "mag_exp": 1.5},
        {"top_db": 20.0, "ref_power": 0.1, "min_power": 1e-4},
        {"window": "hamming", "sequence_length": 200, "min_freq": 100.0, "max_freq": 3000.0},
        {"window": None, "fft_length": 255},
    ],
    ids=str,
)
def test_mel_equals_keras(arguments, sound, keras):
    arguments = {
        "fft_length": 256, "sequence_stride": 100, "num_mel_bins": 24, "sampling_rate": SECOND,
        **arguments,
    }
    layer = layers.MelSpectrogram(**arguments)
    for x in (sound, sound[0]):
        theirs = keras.layers.MelSpectrogram(**arguments)(x).numpy()
        ours = layer(x)
        assert ours.shape == theirs.shape == tuple(layer.compute_output_shape(x.shape))
        scale = max(1, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * scale)


def test_mel_matrix_equals_keras(keras):
    theirs = keras.layers.MelSpectrogram().linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 8000.0)
    ours = layers.MelSpectrogram().linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 8000.0)
    assert ours.dtype == "float32"
    # Keras subtracts neighbouring pitches in single precision.
    np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=1e-5)


def test_mel_counts_frames_as_it_makes_them(rng):
    # (samples + 1) a multiple of the stride: Keras's compute_output_shape is one too high.
    layer = layers.MelSpectrogram(fft_length=32, sequence_stride=16, num_mel_bins=4)
    assert layer.compute_output_shape((2, 63)) == layer(rng.normal(size=(2, 63))).shape == (2, 4, 4)
    assert layer.compute_output_shape((None, None)) == (None, 4, None)


@pytest.mark.parametrize(
    "create, text",
    [
        (lambda: layers.STFTSpectrogram(mode="phase"), "mode"),
        (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9), "frame_step"),
        (lambda: layers.STFTSpectrogram(frame_step=0), "frame_step"),
        (lambda: layers.STFTSpectrogram(fft_length=128), "fft_length"),
        (lambda: layers.STFTSpectrogram(scaling="power"), "scaling"),
        (lambda: layers.STFTSpectrogram(padding="causal"), "padding"),
        (lambda: layers.STFTSpectrogram(window="square"), "window"),
        (lambda: layers.STFTSpectrogram()(np.zeros((1, 100, 1))), "256"),
        (lambda: layers.STFTSpectrogram()(np.zeros((1, 300))), r"x\[\.\.\., None\]"),
        (lambda: layers.MelSpectrogram(fft_length=64, sequence_length=65), "sequence_length"),
        (lambda: layers.MelSpectrogram(window="kaiser"), "window"),
        (lambda: layers.MelSpectrogram(window=np.ones(3)), "2048 values"),
        (lambda: layers.MelSpectrogram(min_freq=9000.0), "min_freq"),
        (lambda: layers.MelSpectrogram()(np.zeros(1024)), "1024"),
    ],
)
def test_errors_name_the_argument(create, text):
    with pytest.raises(ValueError, match=text):
        create()


def test_integers_are_no_samples():
    with pytest.raises(TypeError, match="int16"):
        layers.STFTSpectrogram()(np.zeros((1, 300, 1), "int16"))


def test_odd_fft_lengths_warn():
    with pytest.warns(UserWarning, match="power of two"):
        layers.STFTSpectrogram(frame_length=100, fft_length=100)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_with_window_values_go_to_keras_and_back(sound, keras, tmp_path):
    path = str(tmp_path / "model.keras")
    window = np.linspace(0.5, 1.0, 64)

    def model_of(library):
        spectrogram = library.layers.STFTSpectrogram(frame_length=64, window=window)
        dense = library.layers.Dense(2)
        return library.Sequential([library.Input((sound.shape[1], 1)), spectrogram, dense])

    for source, target in ((pyseq, keras), (keras, pyseq)):
        model = model_of(source)
        model.save(path)
        expected = model.predict_on_batch(sound[..., None])
        again = target.models.load_model(path).predict_on_batch(sound[..., None])
        np.testing.assert_allclose(again, expected, rtol=1e-4, atol=1e-4)
