"""Trains a recurrent network to distort as an overdriven amplifier does; writes model and sounds.

    python model.py FOLDER

FOLDER then holds `drive.pyseq`, `in.wav`, and `expected.wav`: what Python makes of it.
"""

import sys
import wave
from pathlib import Path

import numpy as np

import pyseq
from pyseq import layers

RATE = 48000
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def amplifier(x):
    """A low pass, then a soft limit."""
    y, state = np.empty_like(x), 0.0
    for i, value in enumerate(x):
        state += 0.3 * (value - state)
        y[i] = np.tanh(4 * state)
    return y


def write(name, sound):
    with wave.open(str(folder / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes())


random = np.random.default_rng(1)
sound = np.clip(0.3 * random.standard_normal(200 * 64).cumsum() * 0.05, -1, 1).astype("float32")
x, y = (s.reshape(200, 64, 1) for s in (sound, amplifier(sound).astype("float32")))

pyseq.utils.set_random_seed(1)
model = pyseq.Sequential(
    [pyseq.Input((None, 1)), layers.LSTM(16, return_sequences=True), layers.Dense(1)]
)
model.compile(pyseq.optimizers.Adam(0.01), "mse")
model.fit(x, y, epochs=40, verbose=0)
print(f"mean squared error {model.evaluate(x, y, verbose=0):.5f}")
model.export(folder / "drive.pyseq", input_signature=(None, 64, 1))

time = np.arange(RATE // 10) / RATE
tone = (0.4 * np.sin(2 * np.pi * 220 * time)).astype("float32")
write("in.wav", tone)
heard = np.rint(tone * 32768).astype("float32") / 32768
write("expected.wav", model.predict(heard[None, :, None], verbose=0)[0, :, 0])
