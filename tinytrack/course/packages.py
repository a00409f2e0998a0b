"""Packages that come with JupyterLab, which a plain installation of tinytrack does not have."""

import importlib
from types import ModuleType

from ..errors import TinytrackError


def needed(name: str) -> ModuleType:
    """Import a package.

    Raises:
        TinytrackError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise TinytrackError(f"this command needs the package {name}: install it with 'pip install {name}'") from error
