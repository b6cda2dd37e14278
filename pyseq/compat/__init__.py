"""Spellings of Keras 1 and 2, with their old meaning; `import pyseq` registers the import paths."""
