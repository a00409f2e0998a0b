"""Working ahead: the same items in the same order, errors in their turn, and no thread or file left behind, however it ends."""

import itertools
import subprocess
import sys
import threading
import time

import pytest

from tinytrack.io.prefetch import prefetch


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("prefetch")]


def counting(n, log, error=None):
    """0 .. n - 1, each put down in ``log`` as it is made, then "closed"; or an error in place of the last."""
    try:
        for i in range(n):
            if error is not None and i == n - 1:
                raise error
            log.append(i)
            yield i
    finally:
        log.append("closed")


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_all_items_come_in_order(n, size):
    log = []
    assert list(prefetch(counting(n, log), size)) == list(range(n))
    assert log == [*range(n), "closed"]
    assert threads() == []


def test_any_iterable_will_do():
    assert list(prefetch("abc")) == ["a", "b", "c"]
    assert list(prefetch(zip([1, 2], "ab", strict=True))) == [(1, "a"), (2, "b")]


def test_none_is_an_item():
    assert list(prefetch([None, 0, None])) == [None, 0, None]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_more_than_size_are_made_ahead(size):
    """Memory stays flat: while one item is in use, ``size`` more are made and then the thread rests."""
    log = []
    items = prefetch(itertools.chain(counting(100, log)), size)
    assert log == [], "nothing is made before the first is asked for"
    for used in range(1, 5):
        next(items)
        deadline = time.monotonic() + 5
        while len(log) < used + size and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(log) == used + size
    items.close()


def test_items_are_made_while_one_is_in_use():
    second = threading.Event()

    def items():
        yield 1
        second.set()
        yield 2

    ahead = prefetch(items())
    assert next(ahead) == 1
    assert second.wait(5), "the second was made though nobody has asked for it yet"
    assert list(ahead) == [2]


@pytest.mark.parametrize("error", [ValueError("one sentence"), KeyboardInterrupt(), SystemExit(3), OSError(28, "full")])
def test_what_goes_wrong_is_raised_in_its_turn(error):
    log, got = [], []
    with pytest.raises(type(error)) as raised:
        for item in prefetch(counting(4, log, error), 3):
            got.append(item)
    assert raised.value is error
    assert got == [0, 1, 2]
    assert log == [0, 1, 2, "closed"]
    assert threads() == []


@pytest.mark.parametrize("taken", [1, 3])
def test_ending_early_closes_the_source_and_ends_the_thread(taken):
    log = []
    items = prefetch(counting(1000, log))
    assert list(itertools.islice(items, taken)) == list(range(taken))
    items.close()
    assert log[-1] == "closed"
    assert len(log) <= taken + 4
    assert threads() == []


def test_an_error_of_the_user_closes_the_source_too():
    log = []

    def use():
        for item in (items := prefetch(counting(1000, log))):
            if item == 2:
                try:
                    items.throw(KeyboardInterrupt())
                finally:
                    assert log[-1] == "closed"
                    assert threads() == []

    with pytest.raises(KeyboardInterrupt):
        use()


def test_two_in_a_row_end_together():
    log = []
    items = prefetch(x + 1 for x in prefetch(counting(1000, log)))
    assert next(items) == 1
    items.close()
    del items
    assert log[-1] == "closed"
    assert threads() == []


def test_a_stream_left_open_does_not_keep_the_program_from_ending():
    code = "import itertools; from tinytrack.io.prefetch import prefetch; kept = prefetch(itertools.count()); print(next(kept))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30).stdout == "0\n"


def test_at_least_one_is_read_ahead():
    with pytest.raises(ValueError, match="at least one"):
        prefetch([1], 0)
