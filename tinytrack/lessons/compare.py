"""Turn whatever a learner's function returns into an array, and compare arrays up to rounding."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class Unusable(Exception):
    """A result that is not an array, with one sentence for the learner that says what it is instead."""


def as_array(value: Any) -> np.ndarray:
    """Turn a tensor, number or array, or a list or set of these, into one array.

    Raises:
        Unusable: if that is not possible.
    """
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, torch.Tensor):
        return _numpy(value)
    if isinstance(value, list | tuple):
        return _stacked(value)
    if isinstance(value, type | BaseException) or callable(value):
        raise Unusable(_not_a_value(value))
    if isinstance(value, dict):
        raise Unusable("Your function returns a dict: return only the result itself")
    array = np.asarray(value)
    if array.dtype.kind == "O":
        raise Unusable(f"Your function returns an object of type {type(value).__name__}: return an array, a tensor or a number instead")
    return array


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    return (tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).resolve_conj().numpy()


def _stacked(items: list | tuple) -> np.ndarray:
    if any(item is None for item in items):
        raise Unusable(f"Your function returns a {type(items).__name__} with None in it: each of its items should be a result")
    arrays = [as_array(item) for item in items]
    shapes = list(dict.fromkeys(array.shape for array in arrays))
    if len(shapes) > 1:
        pair = " and ".join(str(shape) if shape else "one number" for shape in shapes[:2])
        if isinstance(items, tuple):
            raise Unusable(f"Your function returns a tuple of {len(items)} results of different shapes, {pair}: return only one result")
        raise Unusable(f"Your function returns a list whose items have different shapes, such as {pair}: make them equal")
    return np.stack(arrays) if arrays else np.zeros(0)


def _not_a_value(value: Any) -> str:
    if isinstance(value, BaseException) or inspect.isclass(value) and issubclass(value, BaseException):
        return "Your function returns an exception: replace it by the result of your computation"
    if inspect.isclass(value):
        return f"Your function returns the class {value.__name__}: return a result instead"
    name = getattr(value, "__name__", type(value).__name__)
    return f"Your function returns the function `{name}` itself, not its result: call it with parentheses, `{name}(...)`"


def numeric(*arrays: np.ndarray) -> bool:
    return all(array.dtype.kind in "biufc" for array in arrays)


def has(array: np.ndarray, test: Callable) -> bool:
    """Tell whether a floating-point array has a number with a property, such as ``np.isnan``."""
    return array.dtype.kind == "f" and bool(test(array).any())


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def close(a: np.ndarray, b: np.ndarray, tolerance: float, relative: float = 1e-5) -> np.ndarray:
    """Mark where two arrays of the same shape agree: numbers up to the tolerance, anything else if it is equal."""
    if not numeric(a, b):
        return np.asarray(a == b)
    if a.dtype.kind == "c" or b.dtype.kind == "c":
        return np.isclose(a, b, relative, tolerance, equal_nan=True)
    with np.errstate(all="ignore"):
        return np.isclose(a.astype(np.float64), b.astype(np.float64), relative, tolerance, equal_nan=True)


def equal(a: np.ndarray, b: np.ndarray, tolerance: float, relative: float = 1e-5) -> bool:
    return a.shape == b.shape and bool(close(a, b, tolerance, relative).all())


def to_single(value: Any) -> Any:
    """Turn the float64 tensors and arrays in some arguments into float32."""
    return _recast(value, "float64", "float32")


def to_double(value: Any) -> Any:
    """Turn the float32 tensors and arrays in some arguments into float64."""
    return _recast(value, "float32", "float64")


def _recast(value: Any, old: str, new: str) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(getattr(torch, new)) if value.dtype == getattr(torch, old) else value
    if isinstance(value, np.ndarray):
        return value.astype(new) if value.dtype == old else value
    return type(value)(_recast(item, old, new) for item in value) if type(value) in (list, tuple) else value


def copied(arguments: tuple) -> tuple:
    """Copy the tensors, arrays and lists among some arguments."""
    return tuple(a.clone() if hasattr(a, "clone") else a.copy() if hasattr(a, "copy") else a for a in arguments)
