"""How does a run show itself, on one page that needs nothing else?

The files of a run directory come in; `report.html` goes out. It is one thing in several files, and so its names stand
here.

page: the page from top to bottom.
layout: its head, style and script, and what its parts look like.
tables: scores as tables.
tested: what a run said of its test rows.
curves: the numbers behind curves by threshold.
pictures: a picture becomes a part of the page.
of_classes: pictures of what was said of classes and labels.
of_numbers: pictures of what was said of numbers.
mistakes: the images that are predicted worst.
card: the model card.
"""

from mlp_toolkit.evaluation.report.layout import framed
from mlp_toolkit.evaluation.report.page import verdict, write_report
from mlp_toolkit.evaluation.report.tables import each_table, scores_table

__all__ = ["each_table", "framed", "scores_table", "verdict", "write_report"]
