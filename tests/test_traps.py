"""Every trap of Keras that users fall into, and what this toolkit says there; writes docs/traps.md. (Being written.)"""
