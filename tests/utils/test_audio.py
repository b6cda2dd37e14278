"""Data sets of sounds: widths, rates, lengths, and what is refused."""

import inspect
import os
import wave

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

from pyseq import utils
from pyseq.utils import audio


def write(path, x, rate=8000, width=2):
    """x (samples, channels) in [-1, 1)."""
    whole = np.round(np.asarray(x) * 2 ** (8 * width - 1)).astype("<i8")
    if width == 1:
        whole += 128
    data = whole.reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(x.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)


def ramp(count, channels=1):
    return (np.arange(count * channels).reshape(count, channels) - 3) / 128


@pytest.fixture
def folder(tmp_path):
    for index, name in enumerate(("hiss", "tone")):
        (tmp_path / name).mkdir()
        for k in range(2):
            write(tmp_path / name / f"{k}.wav", ramp(3 + 2 * index + k))
    return tmp_path


def test_signature_is_that_of_keras():
    keras = pytest.importorskip("keras")
    ours, theirs = (
        inspect.signature(module.audio_dataset_from_directory).parameters
        for module in (utils, keras.utils)
    )
    assert [(p.name, p.default) for p in ours.values()] == [
        (p.name, p.default) for p in theirs.values()
    ]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_widths(width, channels, tmp_path):
    x = ramp(20, channels)
    write(tmp_path / "x.wav", x, 11025, width)
    y, rate = audio.read_wav(tmp_path / "x.wav", "here")
    assert rate == 11025
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, x.astype("float32"))


def test_extremes_of_16_bits(tmp_path):
    write(tmp_path / "x.wav", np.array([[-1.0], [32767 / 32768], [1 / 32768]]))
    x, _ = audio.read_wav(tmp_path / "x.wav", "here")
    assert x[:, 0].tolist() == [-1.0, 0.999969482421875, 2.0**-15]


def test_batches_are_filled_up(folder):
    data = utils.audio_dataset_from_directory(folder, shuffle=False, batch_size=3, verbose=False)
    assert data.class_names == ["hiss", "tone"]
    assert len(data.file_paths) == 4
    (x, y), (last, _) = data
    assert x.shape == (3, 5, 1)
    assert last.shape == (1, 6, 1)
    assert y.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(x[0, :, 0], [*ramp(3)[:, 0].astype("float32"), 0, 0])


@pytest.mark.parametrize("length", [4, 9])
def test_output_sequence_length(folder, length):
    data = utils.audio_dataset_from_directory(
        folder, labels=None, output_sequence_length=length, shuffle=False, verbose=False
    )
    x = data.get_single_element()
    assert x.shape == (4, length, 1)
    whole = np.pad(ramp(6)[:length, 0], (0, max(0, length - 6)))
    np.testing.assert_array_equal(x[3, :, 0], whole.astype("float32"))


def test_each_pass_has_another_order(folder):
    data = utils.audio_dataset_from_directory(folder, batch_size=None, seed=1, verbose=False)
    assert len(data) == 4
    orders = {tuple(len(x) for x, _ in data) for _ in range(12)}
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {(3, 4, 5, 6)}


@pytest.mark.parametrize(("rate", "new"), [(8000, 16000), (16000, 8000), (8000, 11025), (44100, 16000)])
def test_resampling_keeps_a_tone_and_drops_what_is_too_high(rate, new):
    def tone(hertz, at):
        return np.sin(2 * np.pi * hertz * np.arange(at // 4) / at)[:, None]

    x = audio.resample(tone(440, rate), rate, new)
    expected = tone(440, new)
    assert len(x) == -(-(rate // 4) * new // rate)
    inner = slice(len(x) // 4, len(x) * 3 // 4)
    np.testing.assert_allclose(x[inner], expected[inner], atol=2e-3)
    if new < rate:
        high = audio.resample(tone(0.48 * rate, rate), rate, new)
        assert np.abs(high[inner]).max() < 1e-3


def test_sampling_rate_comes_before_the_length(tmp_path):
    write(tmp_path / "x.wav", ramp(40), 8000)
    data = utils.audio_dataset_from_directory(
        tmp_path, None, sampling_rate=4000, output_sequence_length=20, verbose=False
    )
    x = data.get_single_element()
    assert x.shape == (1, 20, 1)
    assert (x[0, 5:15] != 0).all()


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"ragged": True}, r"ragged\): expected False"),
        ({"sampling_rate": 0}, r"sampling_rate\): expected an integer above 0, got 0"),
        ({"sampling_rate": 8e3}, r"sampling_rate\)"),
        ({"output_sequence_length": -1}, r"output_sequence_length\)"),
        ({"label_mode": "x"}, "label_mode"),
        ({"validation_split": 0.5}, "subset"),
    ],
)
def test_messages(folder, kwargs, text):
    with pytest.raises(ValueError, match=f"audio_dataset_from_directory.*{text}"):
        utils.audio_dataset_from_directory(folder, verbose=False, **kwargs)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\3\0\1\0"])
def test_damaged_files(tmp_path, damage):
    (tmp_path / "x.wav").write_bytes(damage)
    data = utils.audio_dataset_from_directory(tmp_path, None, verbose=False)
    with pytest.raises(ValueError, match=r"expected a WAV file of PCM samples, got .*x\.wav"):
        list(data)
