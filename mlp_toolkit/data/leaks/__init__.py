"""What makes a score better than new rows will be?

Rows as read come in; sentences with a remedy go out, and columns that a split may want to go by.

features: those that give the target away.
ties: columns that tell which rows belong together, or follow each other.
chance_splits: rows on both sides of a split by chance that know each other's targets.
"""
