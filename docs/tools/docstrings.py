"""Docstrings as Markdown: sections, arguments as lists of definitions, examples as code."""

import inspect
import re

_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Attributes|Example|Examples):\s*$")
_ARGUMENT = re.compile(r"^(\*{0,2}`?[A-Za-z_][\w`*, .]*?)(?: \([^)]*\))?: ?(.*)$")
_CODE_SPAN = re.compile(r"(`+[^`]*`+)")


def escape(text):
    """`text` with what Markdown would take for marks made plain, except in `code`."""
    parts = _CODE_SPAN.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*_<>\[\]|])", r"\\\1", parts[i])
    return "".join(parts)


def sections(docstring):
    """`[(heading, lines)]`; the first heading is None."""
    found = [(None, [])]
    for line in inspect.cleandoc(docstring or "").splitlines():
        heading = _SECTION.match(line)
        if heading:
            found.append((heading[1], []))
        elif found[-1][0] and line and not line.startswith(" "):
            found.append((None, [line]))
        else:
            found[-1][1].append(line)
    return found


def arguments(lines):
    """`[(names, text)]` of the lines of an `Args:` section."""
    entries = []
    for line in inspect.cleandoc("\n" + "\n".join(lines)).splitlines():
        match = _ARGUMENT.match(line)
        if match and not line.startswith(" "):
            entries.append([match[1].replace("`", ""), match[2]])
        elif entries:
            entries[-1][1] += " " + line.strip()
    return [(names, text.strip()) for names, text in entries]


def text_to_markdown(lines):
    """Paragraphs, lists and `>>>` examples."""
    out, inside = [], False
    for line in lines:
        if line.lstrip().startswith(">>> ") and not inside:
            out += ["", "```pycon"]
            inside = True
        if inside and not line.strip():
            out += ["```", ""]
            inside = False
            continue
        out.append(line if inside or line.startswith("    ") else escape(line))
    if inside:
        out.append("```")
    return "\n".join(out).strip()


def to_markdown(docstring, also=()):
    """`docstring` as Markdown; `also` are more `(name, text)` for its arguments."""
    parts, has_arguments = [], False
    also = list(also)
    for heading, lines in sections(docstring):
        if heading in ("Args", "Arguments", "Attributes"):
            entries = arguments(lines)
            if heading != "Attributes":
                has_arguments = True
                entries += also
            parts.append(
                definitions("Attributes" if heading == "Attributes" else "Arguments", entries)
            )
            continue
        body = text_to_markdown(inspect.cleandoc("\n" + "\n".join(lines)).splitlines())
        if body:
            parts.append(f"**{heading}**\n\n{body}" if heading else body)
    if also and not has_arguments:
        parts.insert(1, definitions("Arguments", also))
    return "\n\n".join(parts)


def definitions(title, entries):
    rows = [f"**{title}**\n"]
    for names, text in entries:
        shown = ", ".join(f"`{name.strip()}`" for name in names.split(","))
        rows.append(f"{shown}\n:   {escape(text)}\n")
    return "\n".join(rows)
