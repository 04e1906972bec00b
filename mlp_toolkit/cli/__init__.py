"""What is typed, and what is printed?

The only room that prints results and exits.

main: the program: its commands, and how it ends.
streams: standard streams that are closed or full.
options: arguments that several commands share.
json_output: results as one JSON document.
recipe_commands: `run`, `launch`, `validate`, `show`, `init`, `recipes`.
model_commands: `evaluate`, `predict`, `inspect`, `report`.
picture_commands: `lr-find`, `plot-history`, `plot-activations`.
draft: `init`: a data file becomes a commented recipe.
column_notes: what that says of each column.
"""
