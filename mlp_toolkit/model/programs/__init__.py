"""How is a network like one before it trained and asked without compiling or building anything again?

signature: what a traced function depends on besides a network's variables.
kept: traced functions that are kept, and called with another network's variables.
lent: networks that are built once, and lent to one training after another.
"""
