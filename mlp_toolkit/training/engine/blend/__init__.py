"""What predicts after a training with folds?

Networks of several epochs and a linear model come in, each goes out with its share.

keeping: which networks are kept, and the shares that the folds speak for.
blending: the shares.
linear: the linear model.
"""
