"""Every op of the core is in the files that the fuzzer of model files starts from."""

import pathlib

import seeds

OPS = pathlib.Path(__file__).parents[2] / "csrc" / "ops"


def test_every_op_is_a_seed(tmp_path):
    kinds = seeds.write(tmp_path)
    assert {path.stem for path in OPS.glob("*.cpp")} <= kinds
