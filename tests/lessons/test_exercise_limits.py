"""A learner's function that never ends, or takes all memory, is stopped; the kernel and its alarm stay as they were."""

import itertools
import signal
import threading
import time

import pytest
import torch

from tinytrack.lessons import limits, running
from tinytrack.lessons.exercise import Exercise
from tinytrack.lessons.limits import MemoryUp, TimeUp, limited

COUNT = Exercise("count", lambda n: list(range(n)), lambda: [(3,), (5,)], [])


def loops(n):
    while True:
        n += 1


def sleeps(n):
    time.sleep(60)


def swallows_exceptions(n):
    while True:
        try:
            n / 0
        except Exception:
            pass


def counts_without_end(n):
    found = 0
    while True:
        yield found
        found += 1


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(running, "SECONDS", 0.3)


@pytest.mark.parametrize("function", [loops, sleeps, swallows_exceptions])
def test_a_function_that_never_ends_is_stopped(function, impatient):
    started = time.monotonic()
    verdict = COUNT(function)
    assert time.monotonic() - started < 5
    assert verdict.status == "wrong"
    assert "is still running after" in verdict.message and "does a loop never end?" in verdict.message


def test_the_line_at_which_it_was_stopped_is_shown(impatient):
    assert "in line" in COUNT(loops).message
    assert "`time.sleep(60)`" in COUNT(sleeps).message


def test_in_another_thread_it_is_stopped_too(impatient):
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(COUNT(loops)))
    thread.start()
    thread.join(10)
    assert "is still running" in verdicts[0].message


def test_without_an_alarm_signal_it_is_stopped_too(impatient, monkeypatch):
    monkeypatch.delattr(signal, "setitimer")
    assert "is still running" in COUNT(swallows_exceptions).message
    assert COUNT(lambda n: list(range(n)))


@pytest.mark.parametrize("function", [counts_without_end, lambda n: itertools.count(), lambda n: [itertools.cycle([1])]])
def test_numbers_without_end_are_not_read_to_the_end(function):
    assert COUNT(function).message.startswith("Your generator yields more than 10,000 items")


def test_a_list_that_grows_without_end_is_stopped(monkeypatch):
    def grows(n):
        kept = []
        while True:
            kept.append(torch.ones(2**18))

    monkeypatch.setattr(running, "GIGABYTES", 0.2)
    assert "has taken more than" in COUNT(grows).message and "list grow" in COUNT(grows).message


def test_memory_that_was_taken_before_does_not_count():
    ballast = bytearray(300 * 2**20)
    with limited(seconds=30, gigabytes=0.2):
        time.sleep(0.3)
    assert len(ballast)


def test_an_alarm_of_someone_else_still_goes_off():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        assert COUNT(lambda n: list(range(n)))
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        time.sleep(0.8)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_limits_end_with_the_block():
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeUp), limited(seconds=0.2):
        time.sleep(5)
    with limited(seconds=0.2):
        pass
    time.sleep(0.5)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert not issubclass(TimeUp, Exception) and not issubclass(MemoryUp, Exception)


def test_the_default_is_at_most_ten_seconds():
    assert limits.SECONDS <= 10
