"""The version of the library, here alone; `pyproject.toml` and `CMakeLists.txt` read it."""

__version__ = "0.1.0"
