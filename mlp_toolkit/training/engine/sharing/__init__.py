"""Who shares each batch?

A compiled network comes in; a copy of it whose variables are the same wherever it is trained goes out.

devices: one device, or several of one machine.
workers: several processes, on one machine or many.
meeting: waits until all of them are there. No TensorFlow.
cluster: which of them this process is: the variable TF_CONFIG. No TensorFlow.
"""
