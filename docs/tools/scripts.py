"""Pages of the scripts in `examples/`: what each says of itself, and its code."""

import ast

CPP = {
    "predict.cpp": "Loads what `model.export` wrote and predicts, without Python.",
    "train.cpp": "Builds a model, trains it and writes it to a file, without Python.",
    "predict.c": "The same as predict.cpp, from C.",
    "predict_ctypes.py": "The same through a shared library, from any language that calls C.",
}
_LANGUAGES = {"cpp": "cpp", "c": "c", "py": "python"}


def _files(root):
    return sorted((root / "examples").glob("*.py"))


def navigation(root):
    entries = [{path.name: f"scripts/{path.stem}.md"} for path in _files(root)]
    return [*entries, *({name: f"scripts/{name.replace('.', '_')}.md"} for name in CPP)]


def pages(root):
    made = {}
    for path in _files(root):
        code = path.read_text(encoding="utf-8")
        about = ast.get_docstring(ast.parse(code))
        notebook = f"{path.stem}.ipynb"
        made[f"scripts/{path.stem}.md"] = (
            f"# {path.name}\n\n{about}\n\n"
            f'[The same as a notebook]({notebook}){{: download="{notebook}"}}, for Jupyter.\n\n'
            f'```python title="examples/{path.name}"\n{code}```\n'
        )
    for name, about in CPP.items():
        code = (root / "examples" / "cpp" / name).read_text(encoding="utf-8")
        made[f"scripts/{name.replace('.', '_')}.md"] = (
            f"# {name}\n\n{about} [From Python to C++](../cpp.md) tells more.\n\n"
            f'```{_LANGUAGES[name.rpartition(".")[2]]} title="examples/cpp/{name}"\n{code}```\n'
        )
    return made
