"""The version of the library; `pyproject.toml` and `CMakeLists.txt` name the same."""

__version__ = "0.1.0"
