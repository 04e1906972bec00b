"""Where are trials and recipes carried out?

In this process nothing of this is needed. On a Ray cluster the process that was started stays the only one that writes
the search's journal and directory; workers train, and tell it what they see. Ray knows machines, starts workers there,
and says when one is gone.

choice: which engine, and what each worker takes.
cluster: a Ray cluster: one that is there, or one of our own.
searching: the trials of a search on Ray's workers, as the process that asks for them sees it.
crew: the workers: those that start, are idle, at work, or gone.
worker: one worker: trials, one after another.
checkpoints: where the checkpoints of trials lie, for all machines.
recipes: whole recipes as Ray's tasks.
"""
