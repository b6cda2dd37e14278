"""Whether two WAV files hold the same sound, but for the rounding to 16 bits.

python compare.py expected.wav out.wav
"""

import array
import sys
import wave

sounds = []
for path in sys.argv[1:]:
    with wave.open(path) as file:
        sounds.append(array.array("h", file.readframes(file.getnframes())))
expected, got = sounds
if len(expected) != len(got):
    sys.exit(f"expected {len(expected)} samples, got {len(got)}")
apart = max(abs(a - b) for a, b in zip(expected, got))
if apart > 1:
    sys.exit(f"expected the same samples, got some that are {apart} apart")
