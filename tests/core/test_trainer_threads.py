"""Calls of one trainer from several threads wait for each other."""

import threading

import numpy as np

import pyseq
from pyseq import _core, layers, lowering

THREADS, RUNS, BATCHES, ROWS = 4, 5, 40, 16


def make_trainer():
    pyseq.utils.set_random_seed(5)
    model = pyseq.Sequential(
        [pyseq.Input((6,)), layers.Dense(256, activation="tanh"), layers.Dense(3)]
    )
    graph, output = lowering.lower(model, (6,), True, None)
    program = graph.program(output)
    variables = [v._storage for v in graph.variables]
    spec = {
        "target": [3],
        "loss": {"kind": "mean_squared_error", "attrs": {}, "slot": output.slot},
        "metrics": [],
        "optimizers": [{"kind": "sgd", "attrs": {"momentum": 0.0}}],
        "parameters": [{"variable": i, "slots": []} for i in range(len(variables))],
    }
    return _core.Trainer(program, variables, spec), variables


def train(trainer, x, y, runs):
    for _ in range(runs):
        done = trainer.run(
            x, y, None, None, 0, len(x), ROWS, BATCHES, 1e9, np.full(BATCHES, 0.05), 1, 0
        )
        assert done == BATCHES
        trainer.totals()


def test_threads_of_one_trainer(rng):
    x = np.tile(np.float32(rng.normal(size=(ROWS, 6))), (BATCHES, 1))
    y = np.tile(np.float32(rng.normal(size=(ROWS, 3))), (BATCHES, 1))
    expected, expected_variables = make_trainer()
    train(expected, x, y, THREADS * RUNS)
    trainer, variables = make_trainer()
    failed = []

    def work():
        try:
            train(trainer, x, y, RUNS)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed and not any(thread.is_alive() for thread in threads)
    assert trainer.totals() == expected.totals()
    # Every batch is the same, so that their order does not matter.
    for v, w in zip(variables, expected_variables):
        np.testing.assert_array_equal(v.array(), w.array())
