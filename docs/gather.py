"""Puts the pages of the site together in `build/pages`, each at its place in the repository, so that links stay right.

Pages are Markdown and notebooks; what they link to comes along as it is.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUT = ROOT / "build" / "pages"
PAGES = ["*.md", "docs/*.md", "notebooks/README.md", "notebooks/[0-9]*.ipynb", "recipes/**/*.md", "benchmarks/**/*.md"]
LINK = re.compile(r"""(?:\]\(|src=")([^)#"\s]+)""")


def linked(page: Path) -> set[Path]:
    """The files and folders in the repository to which a page of Markdown links."""
    if page.suffix != ".md":
        return set()
    names = (name for name in LINK.findall(page.read_text("utf-8")) if "://" not in name)
    return {(page.parent / name).resolve() for name in names}


def main() -> None:
    """Copies the pages and what they link to."""
    shutil.rmtree(OUT, ignore_errors=True)
    pages = {path for pattern in PAGES for path in ROOT.glob(pattern)}
    for path in pages | {file for page in pages for file in linked(page) if file.is_file()}:
        target = OUT / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


if __name__ == "__main__":
    main()
