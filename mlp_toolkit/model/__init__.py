"""What is the network, and how does it predict?

A task and its choices come in; a compiled `keras.Model` goes out. Rows and a model come in; predictions go out.

backend: TensorFlow and Keras, imported here and nowhere else.
keras_types: what the package uses of Keras, as types.
keras_private: where Keras and TensorFlow have no public way.
mlp: `build_mlp`: a task and the tables become a network.
parts: activations, losses and optimizers by name.
layers: Keras layers of our own.
members: several networks that train as one.
model_file: network and encoding as one model: raw columns in, predictions out.
prediction: rows through a model.
programs: traced functions that a second network of the same kind uses again.
plots: pictures in one line.
"""
