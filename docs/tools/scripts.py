"""Pages of the scripts in `examples/`: what each says of itself, and its code."""

import ast


def _files(root):
    return sorted((root / "examples").glob("*.py"))


def navigation(root):
    entries = [{path.name: f"scripts/{path.stem}.md"} for path in _files(root)]
    return [*entries, {"predict.cpp": "scripts/predict_cpp.md"}]


def pages(root):
    made = {}
    for path in _files(root):
        code = path.read_text(encoding="utf-8")
        about = ast.get_docstring(ast.parse(code))
        made[f"scripts/{path.stem}.md"] = (
            f'# {path.name}\n\n{about}\n\n```python title="examples/{path.name}"\n{code}```\n'
        )
    code = (root / "examples" / "cpp" / "predict.cpp").read_text(encoding="utf-8")
    made["scripts/predict_cpp.md"] = (
        "# predict.cpp\n\nLoads what `model.export` wrote and predicts, without Python. "
        "[From Python to C++](../cpp.md) tells more.\n\n"
        f'```cpp title="examples/cpp/predict.cpp"\n{code}```\n'
    )
    return made
