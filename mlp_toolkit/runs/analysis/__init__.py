"""What does a finished run tell beside its scores?

comparing: runs beside each other, on the same test rows.
explaining: what its model looks at, and where it fails.
mistakes: the images that it predicts worst.
drifting: new rows beside those that it learnt from.
"""
