"""What MkDocs asks while it builds: pages that are made, not written."""

import sys
from pathlib import Path

from mkdocs.structure.files import File

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parents[1]

# Pages that may be missing: the navigation then leaves them out.
OPTIONAL = {"mistakes.md"}


def on_config(config):
    if str(TOOLS) not in sys.path:  # MkDocs takes back what is added while a hook is loaded
        sys.path.insert(0, str(TOOLS))
    import reference
    import scripts

    docs = Path(config.docs_dir)
    absent = {page for page in OPTIONAL if not (docs / page).exists()}
    config.nav = [_without(entry, absent) for entry in config.nav]
    config.nav.append({"Reference": reference.navigation()})
    config.nav.append({"Scripts": scripts.navigation(ROOT)})
    return config


def on_files(files, config):
    import figures
    import notebooks
    import reference
    import scripts

    written = {**reference.pages(), **scripts.pages(ROOT), **notebooks.files(ROOT)}
    made = {**written, **figures.draw_all()}
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def _without(entry, absent):
    if isinstance(entry, dict):
        return {title: [e for e in part if e not in absent] for title, part in entry.items()}
    return entry
