"""The site builds without a warning, and its links lead somewhere."""

import subprocess
import sysconfig
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("material")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")  # the reference has its wrappers
from mkdocs.config import load_config

ROOT = Path(__file__).resolve().parents[2]
# The script, not `python -m mkdocs`: that would import pyseq from the folder it runs in.
MKDOCS = Path(sysconfig.get_path("scripts")) / "mkdocs"


class Page(HTMLParser):
    """The links of a page and what they may lead to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        if attrs.get("rel") not in ("canonical", "prev", "next"):
            self.links += [attrs[key] for key in ("href", "src") if attrs.get(key)]


def broken(site):
    """`["page: link"]` of those that lead nowhere or to another machine (but for link texts)."""
    pages = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "data"):
                if parts.scheme != "data" and "squidfunk" not in link:
                    found.append(f"{path.name}: {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.exists():
                found.append(f"{path.name}: {link}")
            elif target in pages and anchor and anchor not in pages[target].anchors:
                found.append(f"{path.name}: {link}")
    return found


def build(root, site):
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--quiet", "-d", str(site)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_site(tmp_path):
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    assert not broken(site)
    assert (site / "reference" / "losses.html").exists()
    assert not (site / "tools").exists()
    page = (site / "pictures.html").read_text(encoding="utf-8")
    page = page.replace('href="reference/index.html"', 'href="reference/nowhere.html"')
    (site / "pictures.html").write_text(page, encoding="utf-8")
    assert "pictures.html: reference/nowhere.html" in broken(site)


@pytest.mark.parametrize("there", [False, True])
def test_mistakes_page_joins_the_navigation(there, tmp_path):
    """It may be missing; where it is there, it is shown."""
    (tmp_path / "index.md").write_text("# Start\n", encoding="utf-8")
    if there:
        (tmp_path / "mistakes.md").write_text("# Mistakes\n", encoding="utf-8")
    config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(tmp_path))
    nav = config.plugins.on_config(config).nav
    assert any("mistakes.md" in part.get("Start", ()) for part in nav[1:]) is there
    assert "training.md" in nav[1]["Start"]
