"""How does it learn?

A network and rows come in; the best epoch, its history and how far it came go out.

fit: `fit`: any compiled Keras model on a user's arrays.
rows_of_arrays: a user's arrays as rows that fit the network.
rows_of_data: a recipe's rows, encoded, in memory or streamed.
output: what a network gives, and what its targets mean: the checks of every row.
trainer: the loop: best epoch, early stopping, going on.
fit_recipe: a recipe and its rows become a model file.
warm_start: parts of a trained network, taken over.
pretraining: hidden layers that learn without targets.
cautions: what Keras says nothing about, before and after.
progress: what a person sees while it trains.
first_steps: what a few steps tell before training: the learning rate, what fits into a budget of seconds.
engine: the compiled epoch.
"""
