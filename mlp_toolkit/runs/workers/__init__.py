"""How do several processes carry out one recipe?

A recipe with `train.device: workers` comes in; the chief's run directory goes out.

together: what workers tell each other before the first epoch and after each.
launching: the processes of a group on this machine, started and ended together. No TensorFlow.
"""
