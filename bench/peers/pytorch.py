"""PyTorch as its users write it: data in memory, shuffled by index, the faster image layout."""

import os
import time

import numpy as np

_TRIALS = 3


class PyTorch:
    trains = True

    def __init__(self, threads, compiled=False):
        self.threads, self.compiled = threads, compiled

    def load(self):
        global torch, net
        import torch

        from . import pytorch_net as net

        torch.set_num_threads(self.threads)
        self.device = os.environ.get("BENCH_DEVICE", "cpu")
        precision = os.environ.get("BENCH_PRECISION", "highest")
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = precision != "highest"

    def build(self, workload):
        torch.manual_seed(1)
        self.workload = workload
        self.net = net.make_net(workload).to(self.device)
        self.activate = net.make_activation(
            None if workload.loss == "mse" else workload.layers[-1][2]
        )
        self.use_layout(channels_last=True)
        # On a GPU compiled code is replayed as CUDA graphs.
        mode = "default" if self.device == "cpu" else "reduce-overhead"
        self.model = torch.compile(self.net, mode=mode) if self.compiled else self.net
        self.optimizer = self.make_optimizer()
        self.loss = {
            "bce": torch.nn.functional.binary_cross_entropy_with_logits,
            "sparse_ce": torch.nn.functional.cross_entropy,
            "mse": torch.nn.functional.mse_loss,
        }[workload.loss]
        self.cached = (None, None, None)

    def make_optimizer(self):
        return torch.optim.Adam(self.net.parameters(), lr=0.001, eps=1e-7, fused=True)

    def use_layout(self, channels_last):
        self.channels_last = channels_last
        layouts = {3: torch.channels_last, 4: torch.channels_last_3d}
        layout = layouts.get(len(self.workload.input_shape)) if channels_last else None
        self.net.to(memory_format=layout or torch.contiguous_format)

    def prepare(self, x):
        """The array in the layout that the model takes it in; images come as NHWC."""
        if x.ndim < 4 or self.channels_last:
            return x
        return np.ascontiguousarray(np.moveaxis(x, -1, 1))

    def tensor(self, x):
        return torch.from_numpy(self.prepare(x)).to(self.device)

    def as_net_input(self, x):
        # A view of NHWC with its axes moved is what torch calls channels_last.
        return x.movedim(-1, 1) if x.ndim >= 4 and self.channels_last else x

    def labels(self, y):
        y = torch.from_numpy(y).to(self.device)
        return y.long() if self.workload.loss == "sparse_ce" else y

    def set_batch(self, x, y):
        self.step_x, self.step_y = self.tensor(x), self.labels(y)

    def choose_layout(self, x, y):
        """Takes the layout of images that trains faster; leaves the weights as they were."""
        x, y = x[: self.workload.batch], y[: self.workload.batch]
        saved = {name: value.clone() for name, value in self.net.state_dict().items()}
        model, self.model = self.model, self.net
        times = {}
        for channels_last in (True, False):
            self.use_layout(channels_last)
            self.set_batch(x, y)
            self.optimizer = self.make_optimizer()
            self.train_batch()
            start = time.perf_counter()
            for _ in range(_TRIALS):
                self.train_batch()
            times[channels_last] = time.perf_counter() - start
        self.use_layout(min(times, key=times.get))
        self.net.load_state_dict(saved)
        self.set_batch(x, y)
        self.model, self.optimizer = model, self.make_optimizer()

    def step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(self.as_net_input(x)), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def train_batch(self):
        self.net.train()
        return float(self.step(self.step_x, self.step_y))

    def fit(self, x, y):
        self.net.train()
        if self.cached[0] is not x:
            if x.ndim >= 4:
                self.choose_layout(x, y)
            self.cached = (x, self.tensor(x), self.labels(y))
        _, x, y = self.cached
        total = torch.zeros((), device=self.device)
        for rows in torch.randperm(len(x), device=self.device).split(self.workload.batch):
            total += self.step(x[rows], y[rows]) * len(rows)
        return float(total) / len(x)

    def infer(self, x):
        self.net.eval()
        with torch.inference_mode():
            x = torch.from_numpy(x).to(self.device)
            return self.activate(self.model(self.as_net_input(x))).cpu().numpy()

    predict = None

    def export(self, path):
        """Writes an ONNX file; images go in channels first, as ONNX's users expect."""
        self.net.eval()
        shape = (2, *net.net_input_shape(self.workload))
        torch.onnx.export(
            torch.nn.Sequential(self.net, self.activate),
            (torch.zeros(shape, dtype=net.input_dtype(self.workload)),),
            path,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )

    def versions(self):
        return {"torch": torch.__version__}
