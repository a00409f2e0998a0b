"""The checker itself, tested on exercises made for it: what counts as right, and what is said of results of the wrong kind."""

import functools

import numpy as np
import pytest
import torch

from tests.support.helpers import assert_one_sentence
from tinytrack.lessons.exercise import Exercise, Verdict

DOUBLE = Exercise(
    "double",
    lambda x: 2 * x,
    lambda: [(torch.tensor([[0.0, 2.0, 2.0]]).double(),), (torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).double(),)],
    [
        ("this is the square", lambda x: x * x),
        ("rows and columns are swapped", lambda x: 2 * x.T),
        ("this is the matrix product with itself", lambda x: x @ x),
    ],
)
TOTAL = Exercise("total", lambda x: x.sum(), DOUBLE.cases, [])


def test_a_right_function_has_no_message():
    verdict = DOUBLE(lambda x: x + x)
    assert verdict
    assert verdict == Verdict("double", "right", "")
    assert repr(verdict) == "double: right"


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.float(),
        lambda y: y.long(),
        lambda y: y.half(),
        lambda y: y.numpy(),
        lambda y: y.clone().requires_grad_(),
        lambda y: y.to_sparse(),
        lambda y: y.tolist(),
        lambda y: list(y),
        lambda y: tuple(row.numpy() for row in y),
        lambda y: (row for row in y),
        lambda y: map(list, y.tolist()),
        lambda y: [(v for v in row) for row in y.tolist()],
        lambda y: y + 1e-7,
    ],
    ids="float32 integers float16 numpy gradient sparse lists tensors arrays generator map generators rounding".split(),
)
def test_the_answer_may_have_any_type_that_holds_numbers(write):
    assert repr(DOUBLE(lambda x: write(2 * x))) == "double: right"


def test_a_generator_function_is_run():
    def rows(x):
        for row in x:
            yield 2 * row

    assert DOUBLE(rows)


# ---- not attempted yet


def stub(x):
    raise NotImplementedError("your turn")


def unfinished(x):
    if len(x) > 1:
        raise NotImplementedError
    return 2 * x


def unfinished_generator(x):
    yield 2 * x[0]
    raise NotImplementedError


def with_an_unfinished_part(x):
    def part(row):
        raise NotImplementedError

    return [part(row) for row in x]


class Stub:
    def __call__(self, x):
        raise NotImplementedError

    def method(self, x):
        raise NotImplementedError


@pytest.mark.parametrize(
    "function",
    [stub, unfinished, unfinished_generator, with_an_unfinished_part, functools.partial(stub), Stub(), Stub().method],
)
def test_a_stub_is_not_attempted_yet(function):
    verdict = DOUBLE(function)
    assert not verdict
    assert verdict.status == "not attempted yet"
    assert verdict.message == ""
    assert repr(verdict) == "double: not attempted yet"


def test_what_torch_does_not_implement_is_an_error():
    verdict = DOUBLE(lambda x: torch.softmax(x > 0, -1))
    assert verdict.status == "wrong"
    assert_one_sentence(verdict.message, "raises NotImplementedError in line", "not implemented for 'Bool'")


def test_a_stub_that_the_function_calls_is_named():
    assert DOUBLE(lambda x: stub(x) + x).message.startswith("Your function calls `stub`, which still raises NotImplementedError")


# ---- results of the wrong kind


def forgetful(x):
    x = 2 * x


@pytest.mark.parametrize(
    "function, words",
    [
        (forgetful, "returns None: its last line should return the result"),
        (lambda x: None if len(x) > 1 else 2 * x, "returns None"),
        (lambda x: str(2 * x), "returns text, 'tensor([[0., 4., 4."),
        (lambda x: (2 * x, x), "returns a tuple of 2 results: return only the one at index 0"),
        (lambda x: (x.sum(), "cases", 2 * x), "tuple of 3"),
        (lambda x: torch.max(2 * torch.stack([x, x]), 0), "tuple of 2 results: return only the one at index 0"),
        (lambda x: [x, None], "a list with None in it"),
        (lambda x: [x[0], x[0, :2]], "items have different shapes, such as (3,) and (2,)"),
        (lambda x: {"result": 2 * x}, "returns a dict"),
        (lambda x: x.double, "returns the function `double` itself, not its result: call it with parentheses"),
        (lambda x: ValueError, "returns an exception"),
        (lambda x: torch.nn.Identity, "returns the class Identity"),
        (lambda x: object(), "returns an object of type object"),
        (lambda x: torch.complex(2 * x, x), "differs"),
    ],
)
def test_a_result_of_the_wrong_kind_is_named(function, words):
    verdict = DOUBLE(function)
    assert verdict.status == "wrong"
    assert_one_sentence(verdict.message, words)


def test_a_function_with_other_arguments_is_named():
    assert DOUBLE(lambda: 1).message == "Your function takes 0 arguments, but it is called with 1: keep the first line as it was"
    assert DOUBLE(lambda x, y, z: 1).message.startswith("Your function takes 3 arguments, but it is called with 1")


def test_what_is_not_a_function_is_refused():
    assert DOUBLE(torch.ones(2)).message == "Pass the function itself to the check, without calling it"


def test_the_type_is_judged_where_it_matters():
    positive = Exercise("positive", lambda x: x > 0, DOUBLE.cases, [], kind="bool")
    assert positive(lambda x: x > 0)
    assert positive(lambda x: (x > 0).tolist())
    assert (
        positive(lambda x: (x > 0).float()).message == "Your numbers are right, but their type is float32: return booleans (True and False)"
    )
    best = Exercise("best", lambda x: x.argmax(-1), DOUBLE.cases, [], kind="integer")
    assert best(lambda x: x.argmax(-1).int().numpy())
    assert "their type is float64: return integers" in best(lambda x: x.argmax(-1).double()).message


def test_changing_an_argument_in_place_is_reported_even_if_the_answer_is_right():
    def doubled(x):
        x *= 2
        return x

    def sorted_in_place(values):
        values.sort()
        return values

    ordered = Exercise("ordered", sorted, lambda: [([3, 1, 2],)], [])
    assert DOUBLE(doubled).message.startswith("Your function changes its argument `x` in place")
    assert "changes its argument `values` in place" in ordered(sorted_in_place).message
    assert DOUBLE(lambda x: 2 * x)  # the checker passes fresh arguments again


# ---- float32


def test_a_function_that_needs_float32_arguments_is_right():
    """A float32 matrix times a float64 one is an error."""
    assert DOUBLE(lambda x: x @ (2 * torch.eye(3)))
    assert DOUBLE(lambda x: torch.nn.functional.linear(x, 2 * torch.eye(3), torch.zeros(3)))


def test_a_wrong_function_that_needs_float32_arguments_is_wrong():
    verdict = DOUBLE(lambda x: x @ (3 * torch.eye(3)))
    assert verdict.message.startswith("Your result is the expected one times 1.5")


def test_float32_rounding_is_allowed_only_in_float32():
    large = Exercise("large", lambda x: 1000 * x, DOUBLE.cases, [])
    assert large(lambda x: 1000 * x.float() * (1 + 5e-5))
    assert not large(lambda x: 1000 * x * (1 + 5e-5))


def test_each_exercise_has_its_own_tolerance():
    levels = Exercise("levels", DOUBLE.solution, DOUBLE.cases, [], tolerance=1.01)
    assert levels(lambda x: 2 * x + 1)
    assert not levels(lambda x: 2 * x + 1.5)
    assert not DOUBLE(lambda x: 2 * x + 1e-3)


# ---- errors


def test_an_exception_is_reported_with_its_class_its_line_and_the_arguments():
    verdict = DOUBLE(lambda x: x[3])
    assert_one_sentence(verdict.message, "raises IndexError in line", "`verdict = DOUBLE(lambda x: x[3])`: index 3 is out of bounds")
    assert verdict.details == "  x = [[0, 2, 2]]\n  expected    = [[0, 4, 4]]"

    def raises_two_lines(x):
        raise ValueError("the first\nthe second")

    assert DOUBLE(raises_two_lines).message.endswith("the first")


def test_the_line_is_the_learners_own_and_not_the_librarys():
    verdict = DOUBLE(lambda x: np.linalg.norm(x, axis=7))
    assert "`verdict = DOUBLE(lambda x: np.linalg.norm(x, axis=7))`" in verdict.message


def test_endless_recursion_is_named():
    def again(x):
        return again(x)

    assert "calls itself without end" in DOUBLE(again).message


def test_an_exit_does_not_end_the_kernel():
    assert "raises SystemExit" in DOUBLE(lambda x: exit(1)).message


# ---- usual mistakes


def test_a_known_mistake_is_named_only_if_it_agrees_in_every_case():
    """The square and the double agree for 0 and 2, but not for 1."""
    assert repr(DOUBLE(lambda x: x**2)) == "double: wrong. this is the square"
    assert "this is the square" not in DOUBLE(lambda x: x**2 if len(x) == 1 else x**3).message


def test_an_exception_matches_a_known_mistake_that_raises_the_same_in_every_case():
    assert DOUBLE(lambda x: torch.mm(x, x)).message == "this is the matrix product with itself"
    assert "raises RuntimeError" in DOUBLE(lambda x: x @ x if len(x) == 1 else 2 * x).message


# ---- special cases

HALVED = Exercise(
    "halved",
    lambda x, n: x / n if n else 0 * x,
    lambda: [(torch.tensor([1.0, 2.0]), 2), (torch.tensor([3.0, 5.0, 1.0]), 4)],
    [("this is the product", lambda x, n: x * n)],
    edges=lambda: [("n is 0", (torch.tensor([1.0, 2.0]), 0))],
    steps=lambda x, n: {"one over n": 1 / n if n else 0.0},
)


def test_a_special_case_is_described_in_words():
    verdict = HALVED(lambda x, n: x / n)
    assert (
        verdict.message
        == "Your function is right for ordinary arguments, but not when n is 0. Your result is infinite where a finite number is expected"
    )
    assert verdict.details.splitlines()[:2] == ["  x = [1, 2]", "  n = 0"]
    assert "but when n is 0, it raises ZeroDivisionError in line" in HALVED(lambda x, n: x * (1 / n)).message


def test_a_mistake_is_named_whatever_it_does_in_a_special_case():
    assert HALVED(lambda x, n: x * n if n else x).message == "this is the product"


def test_numbers_on_the_way_are_shown():
    assert "  on the way: one over n = 0.5\n" in HALVED(lambda x, n: x + n**x).details
