"""Pictures are drawn without a display and shown by nobody."""

import pytest

pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def _agg(monkeypatch):
    import matplotlib

    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    monkeypatch.setattr("matplotlib.pyplot.show", _never)
    yield
    matplotlib.use(before)


def _never(*_, **__):
    raise AssertionError("a picture was shown, not returned")
