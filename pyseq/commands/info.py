"""`info`: what there is of pyseq on this machine."""

from __future__ import annotations

import platform
import textwrap
from importlib import metadata

from pyseq import config
from pyseq._version import __version__
from pyseq.commands.failure import told
from pyseq.commands.models import print_json

# What pyseq uses where it is installed, and what for.
PACKAGES = {
    "numpy": "arrays; always needed",
    "h5py": ".keras and .h5 files",
    "rich": "tables and colours",
    "ml_dtypes": "bfloat16 arrays",
    "scikit-learn": "pyseq.wrappers",
    "scipy": "splines of images",
    "pillow": "image files",
    "matplotlib": "figures",
    "pydot": "plot_model",
    "nvidia-cublas": "GPUs",
    "nvidia-cudnn-cu13": "GPUs",
    "keras": "bench",
    "torch": "bench",
    "onnx": ".onnx files",
    "onnxruntime": "bench",
}


def cpu_name():
    """The name of the processor, as the system tells it.

    >>> bool(cpu_name())
    True
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def version_of(package):
    """The version of an installed package, or None; the package is not imported.

    >>> version_of("no-such-package") is None
    True
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def facts():
    """All that `info` tells, as plain data."""
    device, devices = config.current_device(), config.list_devices()
    return {
        "pyseq": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": cpu_name(),
        "instruction_sets": config.instruction_sets(),
        "threads": config.num_threads(),
        "device": device,
        "devices": [{"name": name, "description": text} for name, text in devices],
        "matmul_precision": config.float32_matmul_precision(),
        "floatx": config.floatx(),
        "packages": {name: version_of(name) for name in PACKAGES},
    }


def add_arguments(parser):
    """Describe the command."""
    parser.add_argument("--json", action="store_true", help="as JSON, for programs and reports")


def _line(name, text):
    return textwrap.fill(text, 80, initial_indent=f"{name:18}", subsequent_indent=" " * 18)


def run(options):
    """Print the facts."""
    with told():  # such as a PYSEQ_ISA that was not built
        found = facts()
    if options.json:
        print_json(found)
        return 0
    levels = found["instruction_sets"]
    usable = {device["name"] for device in found["devices"]}
    # "cuda" is the first GPU of the list.
    there = found["device"] in usable or f"{found['device']}:0" in usable
    rows = [
        ("pyseq", found["pyseq"]),
        ("Python", f"{found['python']} on {found['system']}"),
        ("CPU", found["cpu"]),
        ("instruction sets", f"built: {' '.join(levels['built'])}"),
        ("", f"of this CPU: {' '.join(levels['usable'])}"),
        ("", f"in use: {levels['in_use']} (PYSEQ_ISA chooses another)"),
        ("threads", str(found["threads"])),
        ("computes on", found["device"] + ("" if there else ", which is not there")),
        *(("device", f"{d['name']}: {d['description']}") for d in found["devices"]),
        ("matmul precision", found["matmul_precision"]),
        ("floatx", found["floatx"]),
    ]
    print(*(_line(*row) for row in rows), "packages", sep="\n")
    for name, version in found["packages"].items():
        print(f"  {name:18}{version or 'not installed':18}{PACKAGES[name]}")
    return 0
