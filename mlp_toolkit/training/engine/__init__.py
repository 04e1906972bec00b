"""How does an epoch run?

A network and blocks of rows come in; the logs of each epoch go out.

epoch: all epochs, each one call where that is possible.
compiled: a step in a loop over all batches, compiled.
counting: metrics of all steps of an epoch, counted at once.
steps: one step of training and of validation.
rows: blocks of rows, in memory or read ahead.
history: what `fit` gives back.
members: how the members of an ensemble are judged, and the best epoch of each is kept.
folds: members that each hold out a fold: how they are judged by it, and what they say of it.
blend: what predicts after a training with folds, each network and a linear model with its share.
variables: all that training changes in a model.
sharing: one device, or several that share each batch, or several processes.
"""
