"""Show the library's own source in a notebook, so that the code explained is the code that runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Source:
    """A piece of the library as text.

    Attributes:
        name: "pointer.affinity".
        code: its lines.
    """

    name: str
    code: str

    def __repr__(self) -> str:
        return f"# {self.name}\n{self.code}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """What Jupyter asks for: Markdown has the colours of Python."""
        return {"text/plain": repr(self), "text/markdown": f"```python\n{self!r}\n```"}


def show(thing: Callable | type) -> Source:
    """The source of a function or class of tinytrack, read from its file; of docstrings only the first line is kept.

    Raises:
        TypeError: for something without Python source.
    """
    thing = inspect.unwrap(thing)
    code = textwrap.dedent(inspect.getsource(thing))
    lines = code.splitlines()
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or ast.get_docstring(node) is None:
            continue
        text = node.body[0]
        if text.end_lineno > text.lineno:
            lines[text.lineno - 1] += '"""'
            lines[text.lineno : text.end_lineno] = [None] * (text.end_lineno - text.lineno)
    kept = "\n".join(line for line in lines if line is not None)
    return Source(f"{thing.__module__.removeprefix('tinytrack.')}.{thing.__qualname__}", kept)
