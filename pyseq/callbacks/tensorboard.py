"""`TensorBoard`: logs for the TensorBoard viewer, written without TensorFlow."""

from __future__ import annotations

import json
import os
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.callbacks.base import Callback
from pyseq.callbacks.event_file import EventFile

if TYPE_CHECKING:
    from pyseq.types import Logs, Path


class TensorBoard(Callback):
    """Writes event files that TensorBoard shows; needs neither TensorFlow nor TensorBoard.

    Args:
        log_dir: directory; gets `train` and `validation`.
        histogram_freq: epochs between histograms of the weights; 0 for none.
        write_graph: write the model's structure.
        write_images: with histograms, also write weights as images.
        write_steps_per_second: also log training speed.
        update_freq: "epoch", "batch", or a number of batches after which batch values are logged.
        profile_batch: 0; use `Model.profile` for times per layer.
        embeddings_freq: epochs between copies of Embedding weights for the projector; 0 for none.
        embeddings_metadata: path of a label file, or `{layer name: path}`.

    >>> TensorBoard("logs", update_freq="batch").update_freq
    1
    """

    for_one_process = True

    def __init__(
        self,
        log_dir: Path = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        if profile_batch:
            warnings.warn(
                f"TensorBoard: profile_batch={profile_batch!r} writes nothing; "
                "`model.profile(x, y)` returns the time of every op",
                stacklevel=2,
            )
        update_freq = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch" and (not isinstance(update_freq, int) or update_freq < 1):
            raise ValueError(
                "TensorBoard: expected update_freq 'epoch', 'batch' or a number of batches, got "
                f"{update_freq!r}"
            )
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._writers = {}
        self._train_batch = 0
        self._test_batch = 0
        self._first_iteration = 0
        self._batch_started = self._epoch_started = 0.0

    @property
    def every_batch(self) -> bool:
        return self.update_freq != "epoch"

    def _writer(self, name):
        if name not in self._writers:
            self._writers[name] = EventFile(os.path.join(self.log_dir, name))
        return self._writers[name]

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._close()
        if self.embeddings_freq:
            self._configure_embeddings()

    # --- hooks

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._train_batch = 0
        if self.write_graph:
            self._writer("train").text_tensor("keras", "graph_keras_model", self.model.to_json(), 0)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._train_batch += 1
        self._batch_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self.every_batch or self._train_batch % self.update_freq:
            return
        writer = self._writer("train")
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._batch_started
            writer.scalar("batch_steps_per_second", 1 / seconds, self._train_batch)
        self._scalars(writer, "batch_{}", logs, self._train_batch)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._test_batch += 1

    def on_test_end(self, logs: Logs | None = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None and logs:
            writer = self._writer("validation")
            step = int(optimizer.iterations)
            self._scalars(writer, "evaluation_{}_vs_iterations", logs, step)
            writer.flush()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._first_iteration = int(self.model.optimizer.iterations)
        self._epoch_started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        train = {k: v for k, v in logs.items() if not k.startswith("val_")}
        validation = {k.removeprefix("val_"): v for k, v in logs.items() if k.startswith("val_")}
        if train:
            optimizer = self.model.optimizer
            for part in getattr(optimizer, "optimizers", [optimizer]):
                suffix = "" if part is optimizer else f"_{part.name}"
                train[f"learning_rate{suffix}"] = float(np.asarray(part.learning_rate))
            if self.write_steps_per_second:
                steps = int(optimizer.iterations) - self._first_iteration
                seconds = time.perf_counter() - self._epoch_started
                train["steps_per_second"] = steps / seconds
            self._scalars(self._writer("train"), "epoch_{}", train, epoch)
        if validation:
            self._scalars(self._writer("validation"), "epoch_{}", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._log_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._log_embeddings()
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._close()

    def _close(self):
        for writer in self._writers.values():
            writer.flush()
        self._writers = {}

    # --- what is written

    @staticmethod
    def _scalars(writer, pattern, logs, step):
        for name, value in (logs or {}).items():
            if np.ndim(value) == 0:
                writer.scalar(pattern.format(name), value, step)

    def _log_weights(self, epoch):
        writer = self._writer("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                writer.histogram(f"{weight.path}/histogram", weight.numpy(), epoch)
                if self.write_images:
                    image = _as_image(weight.numpy())
                    if image is not None:
                        writer.image(f"{weight.path}/image", image, epoch)

    def _embeddings(self):
        return [layer for layer in self.model.layers if hasattr(layer, "embeddings_initializer")]

    def _configure_embeddings(self):
        metadata = self.embeddings_metadata or {}
        names = [layer.name for layer in self._embeddings()]
        if isinstance(metadata, str):
            metadata = dict.fromkeys(names, metadata)
        unknown = sorted(set(metadata) - set(names))
        if unknown:
            raise ValueError(
                f"TensorBoard: expected embeddings_metadata for Embedding layers {names}, got "
                f"{unknown}"
            )
        lines = []
        for name in names:
            # JSON strings are valid strings of the protobuf text format.
            fields = {"tensor_name": name, "tensor_path": f"{name}.tsv"}
            if name in metadata:
                fields["metadata_path"] = os.fspath(metadata[name])
            lines += ["embeddings {", *(f"  {k}: {json.dumps(v)}" for k, v in fields.items()), "}"]
        os.makedirs(self.log_dir, exist_ok=True)
        path = os.path.join(self.log_dir, "projector_config.pbtxt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def _log_embeddings(self):
        for layer in self._embeddings():
            path = os.path.join(self.log_dir, f"{layer.name}.tsv")
            np.savetxt(path, layer.weights[0].numpy(), fmt="%.7g", delimiter="\t")


def _as_image(weight):
    """Return a weight as (n, H, W, C) in [0, 1], or None if it is no image."""
    w = np.squeeze(np.asarray(weight, np.float64))
    if w.ndim == 1:
        w = w.reshape(1, -1, 1, 1)
    elif w.ndim == 2:
        w = w.T if w.shape[0] > w.shape[1] else w
        w = w[None, :, :, None]
    elif w.ndim == 3:
        w = np.transpose(w, (2, 0, 1))[..., None]
    if w.ndim != 4 or w.shape[-1] not in (1, 3, 4) or w.size == 0:
        return None
    low, high = w.min(), w.max()
    return (w - low) / (high - low) if high > low else np.zeros_like(w)
