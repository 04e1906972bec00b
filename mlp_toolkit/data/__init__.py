"""What are the rows?

Files or frames come in; split, checked rows with an encoding go out. Nothing here imports TensorFlow.

arrays: what a user hands to `fit` as checked arrays.
columns: kinds of columns, and their encoding.
dataset: a recipe's rows in memory.
images: image files and their pixels.
leaks: what makes a score better than new rows will be.
pieces: rows as all rooms take them, in memory or not.
reading: files become tables.
roles: what each column is for, and whether it is there.
splitting: which part each row is in.
streaming: rows that do not fit the memory.
targets: what is predicted, as numbers.
weights: class weights and sample weights become one weight a row.
"""
