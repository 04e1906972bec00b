"""What is wanted, and where does each value come from?

YAML files, overrides or a call's arguments come in; a checked recipe goes out, in which every value knows its origin.

arguments: arguments of Python calls, checked by the recipe's own types.
catalog: what ships with the package: configs and recipes.
known_names: words that a type alone cannot check: losses, activations, kinds of columns.
old_names: names of earlier Keras versions, and what is written today.
paths: the files that recipes are, and those that they name.
problems: what is wrong with a value, told in the words of the recipe.
resolving: layers of YAML become one recipe.
searching: what `tune:` searches over.
spec: the types and ranges, a file for each section.
yaml_text: YAML text, and the place of every value in it.
"""
