"""Show the library's own source in a notebook, so that the code explained is the code that runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Source:
    """Source code of a function or class.

    Attributes:
        name: where it is from, such as "pointer.affinity".
        code: its lines.
    """

    name: str
    code: str

    def __repr__(self) -> str:
        return f"# {self.name}\n{self.code}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """Return what Jupyter displays: a Markdown code block, because Jupyter highlights its syntax."""
        return {"text/plain": repr(self), "text/markdown": f"```python\n{self!r}\n```"}


def show(thing: Callable | type) -> Source:
    """Return the source of a function or class of tinytrack, with docstrings cut to their first line.

    Raises:
        TypeError: if ``thing`` has no Python source.
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
            # marked and dropped below, because removing lines here would shift the line numbers of the other nodes
            lines[text.lineno : text.end_lineno] = [None] * (text.end_lineno - text.lineno)
    kept = "\n".join(line for line in lines if line is not None)
    return Source(f"{thing.__module__.removeprefix('tinytrack.')}.{thing.__qualname__}", kept)
