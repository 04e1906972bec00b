"""What do a few steps tell before training?

A recipe and its rows come in; what to train with goes out. The networks that try it are thrown away.

rate_finder: which learning rate.
budget: how many members and epochs fit into the seconds for training.
"""
