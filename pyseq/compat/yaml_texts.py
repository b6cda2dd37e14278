"""Models as YAML, which Keras 1 and 2 wrote beside JSON."""

from __future__ import annotations

import importlib
import json

from pyseq.compat.notices import tell
from pyseq.sequential import model_from_json


def to_yaml(self, **kwargs):
    """The architecture as text: JSON, which YAML readers take as well."""
    return self.to_json(**kwargs)


def model_from_yaml(yaml_string, custom_objects=None):
    """Return a new model of what `to_yaml` returned, with new weights.

    Args:
        yaml_string: what `to_yaml` of pyseq or of Keras 1 or 2 returned; the latter is read by
            PyYAML.
        custom_objects: dict from names to the objects of yours that the model uses.

    Raises:
        ImportError: PyYAML is needed and is not installed.
        ValueError: the text is no architecture of a model.
    """
    tell("model_from_yaml()", "model_from_json()")
    try:
        json.loads(yaml_string)
    except ValueError:
        yaml_string = json.dumps(_read(yaml_string))
    return model_from_json(yaml_string, custom_objects)


def _read(text):
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise ImportError(
            "model_from_yaml: expected PyYAML to read YAML that is not JSON, got none; pip install "
            "pyyaml, or write the model with to_json()"
        ) from None

    class Loader(yaml.SafeLoader):
        """Reads plain values and the tuples that Keras wrote; makes no other objects."""

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_yaml_seq)
    try:
        config = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"model_from_yaml: expected YAML of a model, got {error}") from None
    if not isinstance(config, dict):
        raise ValueError(
            f"model_from_yaml: expected YAML of a model, got a {type(config).__name__}; pass what "
            "to_yaml() returned"
        )
    return config
