"""What is a network made of and trained by, by name?

Names of the tables come in; Keras's functions, layers, losses and optimizers go out.

activations: activations, and the initializers that fit them.
losses: losses, and what is watched while training; where they mean nothing.
optimizers: optimizers by name, with their usual settings; how the learning rate goes on.
"""
