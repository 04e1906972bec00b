"""What must a stranger's file pass?

Bytes come in; checked configurations and arrays go out, or one message of what is refused.

hdf5: HDF5, read without its library, every address checked.
hdf5_values: types, shapes, attributes and texts in HDF5.
limits: how large a file may be, and what it must hold.
allow_list: the classes and functions that a file may name.
rebuilding: a model from a checked configuration, first without its weights.
"""
