"""The reference: a page for each module, made from signatures and docstrings."""

import importlib.util
import inspect
import re
import types
from functools import lru_cache

import docstrings
from arguments import COMMON

# title, module, and (for large modules) whether its parts have pages of their own.
MODULES = [
    ("Sequential and Model", "pyseq", False),
    ("Layers", "pyseq.layers", True),
    ("Activations", "pyseq.activations", False),
    ("Losses", "pyseq.losses", False),
    ("Metrics", "pyseq.metrics", False),
    ("Optimizers", "pyseq.optimizers", False),
    ("Learning rate schedules", "pyseq.optimizers.schedules", False),
    ("Callbacks", "pyseq.callbacks", False),
    ("Initializers", "pyseq.initializers", False),
    ("Regularizers", "pyseq.regularizers", False),
    ("Constraints", "pyseq.constraints", False),
    ("Ops", "pyseq.ops", True),
    ("Image ops", "pyseq.ops.image", False),
    ("Random", "pyseq.random", False),
    ("Utils", "pyseq.utils", False),
    ("Data sets", "pyseq.datasets", False),
    ("Preprocessing: images", "pyseq.preprocessing.image", False),
    ("Preprocessing: sequences", "pyseq.preprocessing.sequence", False),
    ("Preprocessing: text", "pyseq.preprocessing.text", False),
    ("Saving", "pyseq.saving", False),
    ("Models", "pyseq.models", False),
    ("Configuration", "pyseq.config", False),
    ("Mixed precision", "pyseq.mixed_precision", False),
    ("Dtype policies", "pyseq.dtype_policies", False),
    ("Trees", "pyseq.tree", False),
    ("Visualize", "pyseq.visualize", False),
]
if importlib.util.find_spec("sklearn"):
    MODULES.append(("scikit-learn", "pyseq.wrappers", False))

# Parts of large modules by the modules that define them.
PARTS = {
    "pyseq.layers": {
        "Core": "core base shapes lambda_layer wrapper keras_tensor",
        "Convolution": "convolution convolution_depthwise convolution_transpose",
        "Pooling": "pooling",
        "Recurrent": "rnn",
        "Embedding and masking": "embedding",
        "Normalization": "batch_normalization normalization",
        "Regularization": "regularization",
        "Activation": "activation_layers",
        "Reshaping": "reshaping spatial",
        "Attention and merging": "attention multi_head_attention merging einsum",
        "Preprocessing": "preprocessing",
        "Other": "",
    },
    "pyseq.ops": {
        "Neural networks": "nn activation_functions normalizations classification pooling "
        "convolutions ctc attention",
        "Linear algebra": "linalg numpy.products",
        "Elementwise": "numpy.elementwise numpy.bits math",
        "Reductions": "numpy.reductions numpy.selection",
        "Shapes": "numpy.shaping rearranging blocks",
        "Arrays and loops": "numpy.creation arrays control promotion fourier",
        "Other": "",
    },
}

# Classes that users derive from or hold in their hands: with all public methods.
_WHOLE = {
    "Callback", "Constraint", "Initializer", "LearningRateSchedule", "Loss", "Metric", "Model",
    "Optimizer", "PyDataset", "Regularizer", "SeedGenerator", "Sequential",
}  # fmt: skip
_OF_MODELS = {"Layer", "Model", "Sequential"}
_METHODS_OF_MODELS = set(  # the other attributes are the package's own
    "add add_loss add_weight build call compile compute_loss compute_metrics compute_output_shape "
    "count_params evaluate export fit from_config get_config get_layer get_weights input "
    "input_shape layers load_weights losses metrics metrics_names non_trainable_weights output "
    "output_shape pop predict predict_on_batch profile reset_metrics save save_weights "
    "set_weights summary test_on_batch to_json train_on_batch trainable trainable_weights "
    "weights".split()
)


@lru_cache
def public(module_name):
    """`{name: object}` of the classes and functions that belong to a module."""
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    if module_name == "pyseq":
        names = [*module._NAMES]
    if module_name == "pyseq.datasets":
        found = {}
        for name in names:
            part = getattr(module, name)
            if isinstance(part, types.ModuleType):
                found |= {f"{name}.{n}": o for n, o in public(part.__name__).items()}
        return found
    found = {}
    for name in names:
        thing = getattr(module, name)
        home = str(getattr(thing, "__module__", ""))
        if callable(thing) and home.startswith("pyseq") and _belongs(module_name, home, thing):
            found[name] = thing
    return found


def _belongs(module_name, home, thing):
    """Whether a name without `__all__` is the module's own and not a helper that it imported."""
    module = importlib.import_module(module_name)
    if hasattr(module, "__all__") or module_name in ("pyseq", "pyseq.ops"):
        return True
    if "._" in home:
        return False
    return home == module_name or home.split(".")[1] != "registry"


def described(thing, name=""):
    """Arguments of a class or function that a docstring describes, its own or of a base."""
    owners = thing.__mro__ if isinstance(thing, type) else (thing,)
    found = {}
    for owner in owners:
        doc = vars(owner).get("__doc__") if isinstance(owner, type) else owner.__doc__
        for heading, lines in docstrings.sections(doc):
            if heading in ("Args", "Arguments", "Attributes"):
                for names, text in docstrings.arguments(lines):
                    for one in names.split(","):
                        found.setdefault(one.strip(" *"), text)
    return found


def meaning(thing, argument, found=None):
    """What an argument means by a base's docstring or, if its own is silent, by the table."""
    found = described(thing) if found is None else found
    if argument in found:
        return found[argument]
    if not isinstance(thing, type) and re.search(rf"\b{argument}\b", thing.__doc__ or ""):
        return ""  # the text around says it
    return COMMON.get(argument, "")


def undescribed(thing):
    """Arguments that the reference would only name."""
    text = "" if isinstance(thing, type) else thing.__doc__ or ""
    return [
        argument
        for argument in parameters(thing)
        if not meaning(thing, argument) and not re.search(rf"\b{argument}\b", text)
    ]


def parameters(thing):
    """Names of the arguments that a caller may give, without `*` and `**`."""
    try:
        listed = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name
        for p in listed
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        and not p.name.startswith("_")
        and p.name not in ("self", "cls")
    ]


def entry(name, thing, level=2, owner=""):
    """One class, function or method."""
    heading = f"{'#' * level} {name} {{#{owner}{name.replace('.', '-')}}}"
    parts = [heading]
    if isinstance(thing, property):
        parts.append(f"*property*\n\n{docstrings.to_markdown(thing.__doc__)}")
        return "\n\n".join(parts)
    parts.append(f"```python\n{_signature(name, thing)}\n```")
    own = {
        one.strip(" *")
        for title, lines in docstrings.sections(thing.__doc__)
        if title in ("Args", "Arguments", "Attributes")
        for names, _ in docstrings.arguments(lines)
        for one in names.split(",")
    }
    inherited = described(thing)
    also = []
    for argument in parameters(thing):
        if argument not in own and meaning(thing, argument, inherited):
            also.append((argument, meaning(thing, argument, inherited)))
    parts.append(docstrings.to_markdown(inspect.getdoc(thing), also))
    if isinstance(thing, type):
        parts += [
            entry(method, value, level + 1, f"{name}-") for method, value in _methods(name, thing)
        ]
    return "\n\n".join(part for part in parts if part)


def _signature(name, thing):
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return f"{name}(...)"
    listed = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    listed = [p for p in listed if p.name not in ("self", "cls")]
    text = str(signature.replace(parameters=listed, return_annotation=signature.empty))
    if len(name + text) <= 60:
        return name + text
    shown, star = [], False
    for p in listed:
        if p.kind is p.KEYWORD_ONLY and not star:
            shown.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        shown.append(str(p))
    return f"{name}(\n" + "".join(f"    {p},\n" for p in shown) + ")"


def _methods(name, owner):
    """`[(name, method or property)]` to show of a class."""
    whole = name.split(".")[-1] in _WHOLE or name in _OF_MODELS
    bases = owner.__mro__[:-1] if whole else owner.__mro__[:1]
    if name == "Sequential":
        bases = owner.__mro__[:1]  # the rest is Model's, on the same page
    found = {}
    for base in bases:
        for method, value in vars(base).items():
            if method.startswith("_") or method in found or method in ("get_config", "lower"):
                continue
            if name in _OF_MODELS and method not in _METHODS_OF_MODELS:
                continue
            if not whole and method in ("build", "call", "compute_output_shape", "compute_mask"):
                continue
            value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if isinstance(value, (types.FunctionType, property)) and value.__doc__:
                found[method] = value
    return sorted(found.items())


def _slug(title):
    return title.lower().replace(":", "").replace(" ", "_")


def _parts(module):
    """`{title: {name: object}}` of a large module."""
    found = {title: {} for title in PARTS[module]}
    for name, thing in public(module).items():
        inner = thing.__module__.removeprefix(module + ".")
        for title, rooms in PARTS[module].items():
            if any(inner == room or inner.startswith(room + ".") for room in rooms.split()):
                found[title][name] = thing
                break
        else:
            found["Other"][name] = thing
    return {title: names for title, names in found.items() if names}


def _page(title, module, names):
    about = docstrings.to_markdown(importlib.import_module(module).__doc__)
    if module in PARTS or module == "pyseq":
        about = ""
    seen, body = {}, []
    order = sorted(names.items(), key=lambda item: item[0].lower())
    for name, thing in names.items() if module == "pyseq" else order:
        first = seen.setdefault(id(thing), name)
        if first != name:
            anchor = name.replace(".", "-")
            body.append(f"## {name} {{#{anchor}}}\n\nAnother name of [`{first}`](#{first}).")
        else:
            body.append(entry(name, thing))
    return f"# {title}\n\n`{module}`\n\n{about}\n\n" + "\n\n".join(body) + "\n"


def _plan():
    """`[(title, path, module, names)]`, parts of a module with a list in place of the path."""
    plan = []
    for title, module, parted in MODULES:
        if parted:
            inner = [
                (part, f"reference/{_slug(title)}_{_slug(part)}.md", module, names)
                for part, names in _parts(module).items()
            ]
            plan.append((title, inner))
        else:
            plan.append((title, f"reference/{_slug(title)}.md", module, public(module)))
    return plan


def navigation():
    entries = ["reference/index.md"]
    for row in _plan():
        if len(row) == 2:
            entries.append({row[0]: [{title: path} for title, path, _, _ in row[1]]})
        else:
            entries.append({row[0]: row[1]})
    return entries


def pages():
    """`{path: Markdown}` of the reference."""
    made, index = {}, ["# Reference", "", "Every public name, by module.", ""]
    for row in _plan():
        rows = row[1] if len(row) == 2 else [row]
        index += [f"## {row[0]}", ""]
        for title, path, module, names in rows:
            heading = title if len(rows) == 1 else f"{row[0]}: {title.lower()}"
            made[path] = _page(heading, module, names)
            links = ", ".join(
                f"[`{name}`]({path.removeprefix('reference/')}#{name.replace('.', '-')})"
                for name in sorted(names, key=str.lower)
            )
            index += [f"**{title}**: {links}" if len(rows) > 1 else links, ""]
    made["reference/index.md"] = "\n".join(index)
    return made
