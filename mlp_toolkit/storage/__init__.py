"""How is it written, and what may be read?

A model comes in; one safe HDF5 file goes out, whole or not at all. Every file that is read counts as a stranger's.

saving: models written to HDF5.
loading: models read from HDF5 and from Keras archives.
keras_archives: Keras's own `.keras` archives.
inspecting: what a file holds, read without building anything.
array_files: checkpoints: arrays and a record, with a checksum.
untrusted: what a stranger's file must pass.
"""
