"""Sequences of different lengths."""

from pyseq.utils.arrays import pad_sequences

__all__ = ["pad_sequences"]
