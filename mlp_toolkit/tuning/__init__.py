"""Which hyperparameters are best, and what do many machines do at once?

A recipe with a space comes in; a run directory of the best recipe goes out. Optuna chooses and keeps what was tried.
Or several recipes come in, and each gets its run directory.

search: the story: trials, then the best recipe trained and tested.
plan: what a search is: recipe, space, rows, directory.
study: Optuna's study: its journal, its samplers and pruners, and how it goes on after a kill.
trials: one trial, and what it says of rows that it did not learn.
record: what is kept of the trials, and told of them.
luck: how much of the best score is luck.
pictures: what the trials looked like.
several: several recipes, each run whatever comes of the others.
outcomes: what came of each of them.
engines: where trials and recipes are carried out: in this process, or on the machines of a Ray cluster.
"""
