"""How does an image become a row of pixels?

Paths or arrays come in; levels of equal size go out.

image_files: image files of folders and columns, and their levels.
pixels: image columns: size, colour, and levels as numbers.
resizing: images in another size, with or without colour.
"""
