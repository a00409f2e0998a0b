"""Test prefetching: it must keep the items and their order, raise errors in their place, and never leave a thread or file open."""

import itertools
import subprocess
import sys
import threading
import time

import pytest

from tinytrack.io.prefetch import prefetch

EARLIER: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _earlier_threads():
    """A tracker that another test has paused keeps its thread."""
    EARLIER.clear()
    EARLIER.update(threading.enumerate())


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("prefetch") and t not in EARLIER]


def counting(n, log, error=None):
    """Yield 0 .. n - 1 and record each item in ``log``, then record "closed". If given, ``error`` is raised in place of the last item."""
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


def test_any_iterable_is_accepted():
    assert list(prefetch("abc")) == ["a", "b", "c"]
    assert list(prefetch(zip([1, 2], "ab", strict=True))) == [(1, "a"), (2, "b")]


def test_none_is_a_valid_item():
    assert list(prefetch([None, 0, None])) == [None, 0, None]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_at_most_size_items_are_prefetched(size):
    """Memory use is bounded: while one item is in use, the thread makes ``size`` more items and then waits."""
    log = []
    items = prefetch(itertools.chain(counting(100, log)), size)
    assert log == [], "no item may be made before the first one is requested"
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
    assert second.wait(5), "the second item must be made before it is requested"
    assert list(ahead) == [2]


@pytest.mark.parametrize("error", [ValueError("one sentence"), KeyboardInterrupt(), SystemExit(3), OSError(28, "full")])
def test_an_error_is_raised_after_the_items_before_it(error):
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


def test_an_error_in_the_consumer_closes_the_source():
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


def test_closing_one_of_two_chained_prefetches_closes_both():
    log = []
    items = prefetch(x + 1 for x in prefetch(counting(1000, log)))
    assert next(items) == 1
    items.close()
    del items
    assert log[-1] == "closed"
    assert threads() == []


def test_an_open_prefetch_does_not_keep_the_program_from_exiting():
    code = "import itertools; from tinytrack.io.prefetch import prefetch; kept = prefetch(itertools.count()); print(next(kept))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30).stdout == "0\n"


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        prefetch([1], 0)
