"""How good is it?

Predictions come in; scores, pictures and pages go out. Nothing here imports TensorFlow.

metrics: predictions become the named scores of a task.
few_rows: how far scores of few rows may lie from those of many.
calibration: how probabilities are put right, fitted to the validation rows.
drawing: what pictures share.
report: a run directory becomes one page.
"""
