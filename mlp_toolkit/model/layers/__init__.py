"""What do our own Keras layers do?

Each layer is a file: what it computes, what a file holds of it, and whether settings out of a file are sound.

names: all that a file may name of ours, in one list, read without Keras.
registry: what our layers share: registration, configuration, checks of settings.
columns: the raw columns of a model file while its layers are built.
encoding: which layers encode which kind of column; the dict of all kinds.
numeric: standardises numbers.
date: dates become numbers.
categorical: categories become one-hot columns.
image: images become pixels.
target: outputs in the target's units, and what they mean.
calibration: probabilities put right.
augmentation: training images changed at random.
soundness: whether the layers of a file are sound, and fit together.
"""
