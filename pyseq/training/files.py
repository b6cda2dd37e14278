"""What a model writes and shows: files, JSON, its summary, its profile."""

from __future__ import annotations

import json

from pyseq.registry import serialization
from pyseq.saving import export
from pyseq.summary import print_summary
from pyseq.training import profile


class Files:
    """The part of `Model` that writes and shows it."""

    def to_json(self, **kwargs):
        """The architecture, without weights, as a JSON string."""
        return json.dumps(serialization.serialize_keras_object(self), **kwargs)

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Write architecture, weights and compile state to a `.keras` (or legacy `.h5`) file.

        Args:
            filepath: path or file object; the ending chooses the format.
            overwrite: whether a file that exists is replaced; else it is asked for.
            zipped: one file (True) or a folder; None for what the path says.
        """
        from pyseq.saving import saving_api

        return saving_api.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Write the weights to a `.weights.h5` file.

        Args:
            filepath: path that ends in `.weights.h5`, or `.weights.json` for shards.
            overwrite: whether a file that exists is replaced; else it is asked for.
            max_shard_size: gigabytes of one file, where there are several.
        """
        from pyseq.saving import saving_api

        return saving_api.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Read weights from a `.weights.h5`, `.keras` or legacy `.h5` file.

        Args:
            filepath: path of the file.
            skip_mismatch: leave layers as they are whose weights have other shapes in the file.
        """
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
    ):
        """Print a table of layers, output shapes and parameter counts.

        Args:
            line_length: characters of a line; None for what the table needs.
            positions: where columns end, as shares of a line or characters.
            print_fn: function of a text, instead of `print`.
            expand_nested: whether the layers of inner models are listed.
            show_trainable: whether a column says which layers are trained.
            layer_range: names of the first and the last layer to list.
        """
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    def profile(self, x, y=None, batch_size=32, steps=20):
        """Time each op of a training step (with `y`) or of evaluation, on the first batch.

        Weights and the optimizer's state are restored afterwards. Returns a list of dicts, which
        prints as a table, with microseconds of one step, GFLOP/s and the share of what the
        machine's cores can do at most; `pyseq.training.profile` has the details.
        """
        return profile.profile(self, x, y, batch_size, steps)
