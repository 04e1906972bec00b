"""Which part is each row in: for training, validation or test; and which fold?

A recipe and its rows come in; positions of rows go out.

ways: by shares, groups, time or a column, in memory and piece by piece.
times: what orders rows.
rows: the rows of a recipe in their parts.
folds: of a cross-validation, and of the members of an ensemble.
"""

from mlp_toolkit.data.splitting.folds import folds_of, member_folds
from mlp_toolkit.data.splitting.rows import hold_out, split_in_memory, split_rows
from mlp_toolkit.data.splitting.ways import (
    PARTS,
    STREAMED_SHARE,
    ByColumn,
    ByGroup,
    ByShare,
    ByTime,
    Split,
    Ties,
    groups_of,
    split_of,
    ties_of,
)

__all__ = [
    "PARTS",
    "STREAMED_SHARE",
    "ByColumn",
    "ByGroup",
    "ByShare",
    "ByTime",
    "Split",
    "Ties",
    "folds_of",
    "groups_of",
    "hold_out",
    "member_folds",
    "split_in_memory",
    "split_of",
    "split_rows",
    "ties_of",
]
