"""How does a cell become numbers?

Columns of a table come in; encoded rows go out. A kind of column is a file here and one of the same name in
`model/layers`, and a line in the dicts of `kinds` and of `model/layers/encoding`.

part: what every kind has in common.
kinds: which kind each column is; the dicts of all kinds.
numeric: the kind numeric.
date: the kind date.
categorical: the kind categorical.
image: the kind image.
scaling: numbers filled, standardised, and marked where they are missing.
encoder: the encoding: all parts together, fitted to the training rows.
parsing: cells of any file as numbers, texts and dates.
writings: numbers as people write them, and whether a column's go by one rule.
moments: exact means and variances of columns that come piece by piece.
"""
