"""What a model writes and shows: files, JSON, its summary, its profile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyseq.checks.target_shapes import SPARSE
from pyseq.registry import serialization
from pyseq.saving import export
from pyseq.summary import print_summary, summary_html
from pyseq.training import profile
from pyseq.training.program import StepProgram

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import FileLike, LoadArguments, SaveArguments, Tensor, Verbosity


class Files:
    """The part of `Model` that writes and shows it."""

    def to_json(self, **kwargs: Any) -> str:
        """The architecture, without weights, as a JSON string."""
        return json.dumps(serialization.serialize_keras_object(self), **kwargs)

    def save(
        self,
        filepath: FileLike,
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Unpack[SaveArguments],
    ) -> None:
        """Write architecture, weights and compile state to a `.keras` file (or `.pyseq`, `.h5`).

        Args:
            filepath: path or file object; the ending chooses the format.
            overwrite: whether a file that exists is replaced; else it is asked for.
            zipped: one file (True) or a folder; None for what the path says.
        """
        from pyseq.saving import saving_api

        return saving_api.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(
        self, filepath: FileLike, overwrite: bool = True, max_shard_size: Any = None
    ) -> None:
        """Write the weights to a `.weights.h5` file.

        Args:
            filepath: path that ends in `.weights.h5`, or `.weights.json` for shards.
            overwrite: whether a file that exists is replaced; else it is asked for.
            max_shard_size: gigabytes of one file, where there are several.
        """
        from pyseq.saving import saving_api

        return saving_api.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(
        self,
        filepath: FileLike,
        skip_mismatch: bool = False,
        **kwargs: Unpack[LoadArguments],
    ) -> None:
        """Read weights from a `.weights.h5`, `.keras` or legacy `.h5` file.

        Args:
            filepath: path of the file.
            skip_mismatch: leave layers as they are whose weights have other shapes in the file.
        """
        from pyseq.saving import saving_api

        return saving_api.load_weights(self, filepath, skip_mismatch, **kwargs)

    def export(
        self,
        filepath: FileLike,
        format: str = "pyseq",
        verbose: Verbosity | None = None,
        input_signature: Any = None,
        training: bool = False,
        namespace: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the inference program and its weights for C++ (`pyseq::Model::load`), or as ONNX.

        Or as one header of C++17 that needs nothing else, for networks so small that calls count:
        its class `Model` has `run` for a row, `step` for a time step of a sequence where the layers
        allow it, and `reset`.

        An ONNX file takes any number of rows; its input and output have the names of the first and
        the last layer, its weights those of the variables. It needs the package `onnx`, and ONNX
        Runtime 1.17 or later runs it.

        Args:
            filepath: a `.pyseq`, `.onnx` or `.h` file, written atomically. The first carries a
                self-test that loading runs.
            format: "pyseq", "onnx" or "cpp".
            input_signature: full input shape, where the model has free dimensions.
            training: also what C++ needs to go on training (`pyseq::TrainableModel::load`), and
                Python to open it (`load_model`); the model has to be compiled.
            namespace: of the header; the name of the file if it is not given.

        Raises:
            ValueError: the model is not built, or a layer cannot be run without Python; for "onnx"
                and "cpp" also where there is nothing for it there, or it keeps a state from call
                to call.
        """
        export.export_model(
            self, filepath, format, input_signature, training, namespace=namespace, **kwargs
        )

    def _training_step(self, x_shape, required):
        """The training step on rows of this shape, as `pyseq_format.describe` takes it.

        None where there is none for C++, unless it is `required`.
        """
        if not self.compiled or self._compiled_loss is None or self.optimizer is None:
            if not required:
                return None
            raise ValueError(
                f"{self.name}.export: expected a model compiled with a loss and an optimizer, to "
                "be trained in C++, got one that is not; call compile first"
            )
        batch = self.input_shape[0] if self._is_stateful() else None
        target = self.compute_output_shape((batch, *x_shape))[1:]
        self._compiled_loss.build((None, *target), (None, *target))
        if (self._compiled_loss.loss.lower() or (None,))[0] in SPARSE:
            target = target[:-1]
        step = StepProgram(self, tuple(x_shape), target, True, batch, "export")
        if step.host_constraints or step.halves or step.graph.callbacks:
            if not required:
                return None
            raise ValueError(
                f"{self.name}.export: expected layers and constraints of pyseq, or code that "
                "can be traced, and weights of float32 or float64, to be trained in C++, got a "
                "Python function or 16-bit floats; export it without training"
            )
        if self.optimizer.raw_iterations == 0:
            self.optimizer.start_from_weights()
        return {
            "program": step.program,
            "variables": [v._storage for v in step.graph.variables],
            "trainer": step.spec,
            "metrics": [name for name, _ in step.core_metrics],
        }

    def summary(
        self,
        line_length: Any = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
        show_memory: bool = False,
        show_flops: bool = False,
    ) -> None:
        """Print a table of layers, output shapes and parameter counts.

        Args:
            line_length: columns of the table, 80 by default, more where it has more columns.
            positions: where the columns end, as columns or as shares of the line.
            print_fn: gets the text instead of standard output.
            expand_nested: show the layers of nested models.
            show_trainable: a column with Y where weights train, N where none does.
            layer_range: [first, last] names or patterns of the layers to show.
            show_memory: columns with the bytes of weights and of the output of one row.
            show_flops: a column with the floating point operations of one row in inference, as
                the plain algorithms do them; a built model on numbers of known shape is needed.

        Raises:
            ValueError: `show_flops` of a model whose shapes are not known, or that keeps states
                between calls.
        """
        flops = profile.flops_of_row(self) if show_flops else None
        print_summary(
            self,
            line_length,
            positions,
            print_fn,
            expand_nested,
            show_trainable,
            layer_range,
            show_memory,
            flops,
        )

    def _repr_html_(self):
        return summary_html(self)

    def profile(
        self, x: Tensor, y: Tensor = None, batch_size: int = 32, steps: int = 20
    ) -> profile.Profile:
        """Time each op of a training step (with `y`) or of evaluation, on the first batch.

        Weights and the optimizer's state are restored afterwards. Returns a list of dicts, which
        prints as a table, with microseconds of one step, GFLOP/s and the share of what the
        machine's cores can do at most; `pyseq.training.profile` has the details.
        """
        return profile.profile(self, x, y, batch_size, steps)
