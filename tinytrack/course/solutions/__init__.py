"""Solutions of all exercises, for teachers: one file per notebook, and in it one function per exercise, named like its stub.

The body of a function replaces ``raise NotImplementedError`` in the notebook, below the docstring of the stub. It therefore has no
docstring of its own, and uses only what the notebook imports at its start. Anything else is imported in the body.
"""
