"""Random models, built in real Keras and in pyseq from the same description, must agree."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
