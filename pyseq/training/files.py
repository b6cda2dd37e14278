"""What a model writes and shows: files, JSON, its summary, its profile."""

from __future__ import annotations

import json

from pyseq.registry import serialization
from pyseq.saving import export
from pyseq.summary import print_summary, summary_html
from pyseq.training import profile


class Files:
    """The part of `Model` that writes and shows it."""

    def to_json(self, **kwargs):
        """The architecture, without weights, as a JSON string."""
        return json.dumps(serialization.serialize_keras_object(self), **kwargs)

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Write architecture, weights and compile state to a `.keras` (or legacy `.h5`) file."""
        from pyseq.saving import saving_api

        return saving_api.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Write the weights to a `.weights.h5` file."""
        from pyseq.saving import saving_api

        return saving_api.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Read weights from a `.weights.h5`, `.keras` or legacy `.h5` file."""
        from pyseq.saving import saving_api

        return saving_api.load_weights(self, filepath, skip_mismatch, **kwargs)

    def export(self, filepath, format="pyseq", verbose=None, input_signature=None, **kwargs):
        """Write the inference program and its weights for C++ (`pyseq::Model::load`).

        Args:
            filepath: a `.pyseq` file, written atomically. It carries a self-test that loading
                runs.
            format: "pyseq".
            input_signature: full input shape, where the model has free dimensions.
        """
        export.export_model(self, filepath, format, input_signature, **kwargs)

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
        show_memory=False,
        show_flops=False,
    ):
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

    def profile(self, x, y=None, batch_size=32, steps=20):
        """Time each op of a training step (with `y`) or of evaluation, on the first batch.

        Weights and the optimizer's state are restored afterwards. Returns a list of dicts, which
        prints as a table, with microseconds of one step, GFLOP/s and the share of what the
        machine's cores can do at most; `pyseq.training.profile` has the details.
        """
        return profile.profile(self, x, y, batch_size, steps)
