"""How good is it?

Predictions come in; scores, pictures and pages go out. Nothing here imports TensorFlow.

metrics: predictions become the named scores of a task.
doubt: how far scores may lie from those of many rows.
calibration: how probabilities are put right, fitted to the validation rows.
decision: from which probability on a row has a label.
conformal: intervals and sets that hold the truth as often as asked.
baselines: simple models beside the network.
audit: what is odd about data before anything is trained.
explain: importance, dependence, contributions, slices.
drift: whether new rows are still like those that were learnt.
drawing: what pictures share.
report: a run directory becomes one page.
"""
