"""A picture becomes a part of the page: as wide as a narrow screen, two of them beside each other on others."""

from __future__ import annotations

import base64
import html
import io
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Draw = Callable[[Axes], None]

USUAL_SIZE = (4.4, 3.1)  # of a picture, in inches: as wide as a narrow screen
# Names of columns and classes are no formulas; the page's reader draws words, in any writing and with its own fonts;
# points of many rows are drawn as pixels, with so many of them an inch; a run gives the same page again.
SETTINGS = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 9,
    "legend.fontsize": 8,
    "savefig.dpi": 160,
}
MOST_TICKS = 6
MOST_POINTS = 4_000  # of a cloud; of more rows so many are drawn


def drawn(draw: Draw, says: str, title: str = "", size: tuple[float, float] = USUAL_SIZE) -> str:
    """A picture with its title below it.

    Args:
        draw: Draws it.
        says: What it says to those who do not see it, as text.
        title: As text.
        size: In inches.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    stream = io.BytesIO()
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # only their width is guessed here
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)  # the page's own colour shows
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        if isinstance(ticks := axes.xaxis.get_major_locator(), MaxNLocator):  # else numbers run into each other
            ticks.set_params(nbins=MOST_TICKS)
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    below = f"<figcaption>{html.escape(title)}</figcaption>" if title else ""
    return f"<figure>{embedded(stream.getvalue(), 'svg+xml', says, 'drawn')}{below}</figure>"


def embedded(picture: bytes, kind: str, says: str, name: str = "") -> str:
    """A picture inside the page: no script in it can run, whatever it holds."""
    own = f' class="{name}"' if name else ""
    return f'<img{own} alt="{html.escape(says)}" src="data:image/{kind};base64,{base64.b64encode(picture).decode()}">'


def beside(pictures: Sequence[str]) -> str:
    """Pictures beside each other, where there is room."""
    return f'<div class="pictures">{"".join(pictures)}</div>' if pictures else ""
