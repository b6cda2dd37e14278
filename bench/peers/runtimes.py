"""Runtimes that only run models, from a file that another peer wrote."""

from importlib.metadata import version

import numpy as np


class Runtime:
    trains = False
    distribution = ""

    def __init__(self, threads, path):
        self.threads, self.path = threads, str(path)

    predict = None

    def versions(self):
        return {self.distribution: version(self.distribution)}


class OnnxRuntime(Runtime):
    distribution = "onnxruntime"

    def load(self):
        global onnxruntime
        import onnxruntime

    def build(self, workload):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            self.path, options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, x):
        return to_onnx_layout(x)

    def infer(self, x):
        return self.session.run(None, {"x": x})[0]


class OpenVino(Runtime):
    distribution = "openvino"

    def load(self):
        global openvino
        import openvino

    def build(self, workload):
        self.core = openvino.Core()
        # Else it computes in bfloat16 on the CPUs that have it, which no float32 peer does.
        self.config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.requests = {}

    def prepare(self, x):
        return to_onnx_layout(x)

    def infer(self, x):
        request = self.requests.get(x.shape)
        if request is None:
            model = self.core.read_model(self.path)
            model.reshape({0: list(x.shape)})
            compiled = self.core.compile_model(model, "CPU", self.config)
            request = self.requests[x.shape] = compiled.create_infer_request()
        return request.infer([x], share_inputs=True, share_outputs=True)[0]


class LiteRt(Runtime):
    distribution = "ai-edge-litert"

    def load(self):
        global Interpreter
        from ai_edge_litert.interpreter import Interpreter

    def build(self, workload):
        self.interpreters = {}

    def prepare(self, x):
        return x

    def infer(self, x):
        entry = self.interpreters.get(x.shape)
        if entry is None:
            interpreter = Interpreter(self.path, num_threads=self.threads)
            inputs = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(inputs, x.shape)
            interpreter.allocate_tensors()
            outputs = interpreter.get_output_details()[0]["index"]
            entry = self.interpreters[x.shape] = interpreter, inputs, outputs
        interpreter, inputs, outputs = entry
        interpreter.set_tensor(inputs, x)
        interpreter.invoke()
        return interpreter.get_tensor(outputs)


def to_onnx_layout(x):
    """Channels first, ids as int64: what the exported ONNX files take."""
    if x.ndim >= 4:
        return np.ascontiguousarray(np.moveaxis(x, -1, 1))
    return x.astype(np.int64) if x.dtype == np.int32 else x
