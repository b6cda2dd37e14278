"""Random models against real Keras; `PYSEQ_DIFFERENTIAL=1000` runs that many.

Each failure prints its seed and model; `python -m tests.differential SEED` runs it again.
"""

import os

import pytest
from differential.compare import run_seed

COUNT = int(os.environ.get("PYSEQ_DIFFERENTIAL", 200 if os.environ.get("CI") else 40))
FIRST = int(os.environ.get("PYSEQ_DIFFERENTIAL_SEED", 0))
CHUNK = 20

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_random_models_agree(first, keras):
    failures, compared = [], 0
    for seed in range(first, min(first + CHUNK, FIRST + COUNT)):
        try:
            compared += run_seed(seed, keras) is not None
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n\n".join(failures)
    assert compared > 0
