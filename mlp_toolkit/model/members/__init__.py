"""How do several networks train as one?

Every weight has a leading axis of members, and a layer takes and gives (members, numbers, rows): one program trains
them all, each on its own loss.

layers: dense layers, dropout and batch normalization with such an axis; the mean of the members.
numbers: what RealMLP does to numbers before its first dense layer: robust scale, periodic embedding, scaling.
arithmetic: cosine, mish and random numbers that XLA is fast at.
ensemble: the model, whose members learn each by its own loss.
network: RealMLP's layers, one after another.
blend: members and a linear model in one prediction.
columns: what the encoded columns of a recipe are to it.
fitting: what a RealMLP network takes from its training rows before it learns.
optimizer: AdamW with rates by weight, and how they go on from step to step.
"""
