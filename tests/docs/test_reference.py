"""The reference describes every public name."""

import sys
from pathlib import Path

import pytest

import pyseq

sys.path.append(str(Path(__file__).resolve().parents[2] / "docs" / "tools"))
import docstrings
import reference

ROWS = [
    pytest.param(name, thing, id=f"{module}.{name}")
    for _, module, _ in reference.MODULES
    for name, thing in reference.public(module).items()
]


def test_every_layer_loss_and_op_is_on_a_page():
    pages = reference.pages()
    text = "\n".join(pages.values())
    for family in ("layers", "losses", "metrics", "optimizers", "callbacks", "initializers"):
        for name in reference.public(f"pyseq.{family}"):
            assert f"{{#{name}}}" in text, name
    assert len(ROWS) > 700
    assert all(name in pages["reference/ops_reductions.md"] for name in ("## sum", "## mean"))


@pytest.mark.parametrize(("name", "thing"), ROWS)
def test_described(name, thing):
    assert (thing.__doc__ or "").strip()
    assert not reference.undescribed(thing)
    if isinstance(thing, type):
        # Editors show the docstring alone: there the arguments are named, or at the base class.
        shared = {"name", "dtype", "trainable", "reduction", "autocast", "activity_regularizer"}
        if thing.__init__ is not pyseq.Layer.__init__:
            assert set(reference.parameters(thing)) <= set(reference.described(thing)) | shared


@pytest.mark.parametrize(
    "method",
    "add build compile evaluate export fit get_layer load_weights pop predict predict_on_batch "
    "profile save save_weights summary test_on_batch train_on_batch".split(),
)
def test_methods_of_models(method):
    thing = getattr(pyseq.Sequential, method)
    assert not reference.undescribed(thing)
    text = reference.entry(method, thing)
    assert all(f"`{name}`" in text or name in text for name in reference.parameters(thing))


def test_fit_has_all_its_arguments():
    found = reference.described(pyseq.Sequential.fit)
    assert set(reference.parameters(pyseq.Sequential.fit)) <= set(found)


def test_what_is_not_described_is_found():
    def function(given, left_out):
        """Uses `given`."""

    class Thing:
        """A thing.

        Args:
            first, second: two of them,
                on two lines.
        """

        def __init__(self, first, second, third):
            pass

    assert reference.undescribed(function) == ["left_out"]
    assert reference.undescribed(Thing) == ["third"]
    assert reference.described(Thing)["second"] == "two of them, on two lines."


def test_docstring_to_markdown():
    text = """Product a*b of [x].

    Args:
        a_b: one_two `c_d`.

    >>> 1 + 1
    2
    """
    assert docstrings.to_markdown(text, [("more", "else.")]) == (
        "Product a\\*b of \\[x\\].\n\n"
        "**Arguments**\n\n`a_b`\n:   one\\_two `c_d`.\n\n`more`\n:   else.\n\n\n"
        "```pycon\n>>> 1 + 1\n2\n```"
    )
