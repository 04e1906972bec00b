"""The frame of the page: its head, style and script, and what its parts look like.

The page is complete without the script, which only sorts tables. The policy in its head lets no request leave it, and
no other script run, whatever a column or a class is called.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence

STYLE = """
:root { --page: #fff }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2330; background: var(--page); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #d9dde3 }
table { border-collapse: collapse } th, td { padding: .25rem .9rem .25rem 0; text-align: right }
th:first-child, td:first-child { text-align: left } td:not(:first-child) { white-space: nowrap }
thead th { border-bottom: 1px solid #8a8f98; vertical-align: bottom }
th button { all: unset; cursor: pointer } th button:focus-visible { outline: 2px solid #2563a8; outline-offset: 2px }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
img { max-width: 100%; height: auto } figure { margin: 0; max-width: 100% }
figcaption { font-size: .85rem; color: #5b626e; max-width: 26rem }
pre { background: #f4f5f7; padding: 1rem; overflow-x: auto; font-size: .85rem }
.pictures { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; margin: .8rem 0 }
.mistakes { display: flex; flex-wrap: wrap; gap: 1rem } .mistakes figure { width: 8.5rem }
.mistakes img { width: 6rem; image-rendering: pixelated; border: 1px solid #8a8f98; display: block }
.mistakes figcaption { overflow-wrap: anywhere }
.wide :is(th, td):first-child { position: sticky; left: 0; background: var(--page) }
.wide { overflow-x: auto } p, li, h1, dd { overflow-wrap: anywhere } summary { cursor: pointer; margin: .8rem 0 }
dt { font-weight: 600; margin-top: .6rem } dd { margin-left: 0; white-space: pre-line } dd ul { margin: 0 }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #16191f } body { color: #e4e7ec } pre { background: #22262e } h2 { border-color: #3a404b }
  figcaption { color: #a3aab6 }
  img.drawn { filter: invert(1) hue-rotate(180deg) } /* lines and words light, each colour still its own */
}
@media print {
  body { max-width: none; margin: 0; font-size: 11pt } h2 { break-after: avoid }
  img, tr, figure { break-inside: avoid }
  details:not(:has(pre))::details-content { content-visibility: visible; block-size: auto }
  .wide { overflow: visible } table { font-size: 8pt } .pictures { gap: .8rem 3% } .pictures figure { flex: 0 0 48% }
}
@media (max-width: 30rem) { th, td { padding-right: .5rem; font-size: .85rem } }
"""
# Sorts a table by a column: the largest first, then the least; what is no number stays below.
SCRIPT = """
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const told = (row, at) => row.cells[at].textContent;
  const value = (row, at) => parseFloat(told(row, at).replaceAll(",", ""));
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const words = at === 0, was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : words, sign = up ? 1 : -1;
      const rows = [...body.rows].sort((one, other) => {
        if (words) return sign * told(one, at).localeCompare(told(other, at), undefined, {numeric: true});
        const a = value(one, at), b = value(other, at);
        return isNaN(a) || isNaN(b) ? isNaN(a) - isNaN(b) : sign * (a - b);
      });
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...rows);
    });
  });
}
"""


def whole_page(title: str, parts: Sequence[str]) -> str:
    """The page.

    Args:
        title: As text.
        parts: Its parts, as HTML.
    """
    own = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{own}'; "
    policy += "base-uri 'none'; form-action 'none'"
    said = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{said}</title>'
        f"<style>{STYLE}</style></head><body><h1>{said}</h1>\n"
        + "\n".join(parts)
        + f"\n<script>{SCRIPT}</script></body></html>\n"
    )


def framed(page: str) -> str:
    """A page inside another, whose style it leaves alone and whose content it cannot reach.

    Args:
        page: As `whole_page` gives it.
    """
    look = "width: 100%; height: 40rem; border: 1px solid #8a8f98"
    inner = f'<iframe title="report" sandbox="allow-scripts" style="{look}" srcdoc="{html.escape(page)}"></iframe>'
    return f"<div>{inner}</div>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where the page is narrow, and sorts by a click where it has several rows.

    Args:
        head: A title for each column, as text.
        rows: Cells, as text: a name, then numbers.
    """
    titles = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in head)
    lines = ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    kind = ' class="sorts"' if len(rows) > 1 else ""
    body = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="wide"><table{kind}>{body}</table></div>'


def folded(title: str, inner: str, *, shown: bool = False) -> str:
    """What opens by a click on its title.

    Args:
        title: As text.
        inner: HTML.
        shown: Whether it is open already.
    """
    return f"<details{' open' if shown else ''}><summary>{html.escape(title)}</summary>{inner}</details>"


def list_of(sentences: Sequence[str]) -> str:
    """Sentences, given as text, as a list."""
    return "<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences) + "</ul>"
