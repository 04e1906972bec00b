"""Which hyperparameters are best?

A recipe with a space comes in; a run directory of the best recipe goes out. Optuna chooses and keeps what was tried.

search: the story: trials one after another, then the best recipe trained and tested.
study: Optuna's study: its journal, its samplers and pruners, and how it goes on after a kill.
trials: one trial, and what it says of rows that it did not learn.
luck: how much of the best score is luck.
pictures: what the trials looked like.
"""
