"""Models and how to copy, save and load them: `keras.models`."""

from pyseq.cloning import clone_model
from pyseq.saving.saving_api import load_model, save_model
from pyseq.sequential import Sequential, model_from_json
from pyseq.training.model import Model

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def __dir__() -> list[str]:
    return sorted(__all__)
