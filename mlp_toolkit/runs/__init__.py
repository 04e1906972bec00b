"""How is a recipe carried out?

A recipe comes in; a run directory goes out. No other room knows what lies in it.

run: the story: read, build, train, test, write.
workers: several processes that carry out one recipe.
cross_validation: a recipe on all folds but one, for each fold.
finished: what a run left: scores, history, model.
scoring: what the trained model says of the three parts of the rows.
analysis: what a finished run tells beside its scores.
directory: the run directory: chosen, locked, written.
checkpoint: what a run needs to go on after a stop.
interruption: SIGTERM and Ctrl-C.
tracking: TensorBoard and MLflow.
given_rows: rows given in Python, kept in the run directory.
contact_sheet: `augmentation.png`.
"""
