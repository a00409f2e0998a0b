"""Long work beside a live page: how far it is, how it ends, and that the loop stays free meanwhile."""

import asyncio
import threading

import pytest

from tinytrack.errors import VideoError
from tinytrack.interactive import background
from tinytrack.interactive.background import Cancelled, Work, aside, start


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Look often: these tests are in a hurry."""
    monkeypatch.setattr(background, "EVERY", 0.01)


def test_work_gives_its_result_and_is_done_elsewhere():
    def job(tell):
        tell(3, 4)
        return threading.get_ident()

    work = Work()
    assert (work.done, work.total) == (0, 0)
    assert asyncio.run(work.run(job)) not in (None, threading.get_ident())
    assert (work.done, work.total) == (3, 4)


def test_progress_is_shown_here_while_the_work_goes_on():
    shown, threads, go_on = [], set(), threading.Event()

    def show(done, total):
        shown.append((done, total))
        threads.add(threading.get_ident())
        if (done, total) == (1, 2):
            go_on.set()  # the work waits until its first step has been shown

    def job(tell):
        tell(1, 2)
        assert go_on.wait(10), "the first step was never shown"
        tell(2, 2)
        return "whole"

    assert asyncio.run(Work().run(job, show)) == "whole"
    assert shown[-1] == (2, 2), "the end is shown too"
    assert (1, 2) in shown
    assert shown == sorted(shown)
    assert set(shown) <= {(0, 0), (1, 2), (2, 2)}
    assert threads == {threading.get_ident()}


def test_a_total_that_is_not_known_is_nought():
    shown = []

    def job(tell):
        tell(7)

    asyncio.run(Work().run(job, lambda *numbers: shown.append(numbers)))
    assert shown[-1] == (7, 0)


def test_other_jobs_of_the_loop_go_on_meanwhile():
    async def both():
        gone = threading.Event()

        async def click():
            gone.set()

        other = asyncio.ensure_future(click())
        result = await Work().run(lambda tell: gone.wait(10))
        await other
        return result, await aside(lambda: threading.get_ident())

    on_time, thread = asyncio.run(both())
    assert on_time
    assert thread != threading.get_ident()


def test_cancel_is_raised_within_the_work_when_it_next_tells():
    steps, caught = [], []

    async def press():
        work, told = Work(), threading.Event()

        def job(tell):
            try:
                for n in range(10_000):
                    tell(n, 10_000)
                    steps.append(n)
                    told.set()
                    pressed.wait(10)
            except Cancelled:
                caught.append(threading.get_ident())
                raise

        pressed = threading.Event()
        task = asyncio.ensure_future(work.run(job))
        await asyncio.to_thread(told.wait, 10)
        work.cancel()
        pressed.set()
        with pytest.raises(Cancelled):
            await task

    asyncio.run(press())
    assert steps == [0]
    assert len(caught) == 1
    assert caught[0] != threading.get_ident()


def test_work_that_is_cancelled_before_it_begins_ends_at_its_first_word():
    work, steps = Work(), []
    work.cancel()

    def job(tell):
        steps.append("begun")
        tell(1, 2)
        steps.append("gone on")

    with pytest.raises(Cancelled):
        asyncio.run(work.run(job))
    assert steps == ["begun"]


def test_to_cancel_what_is_done_does_no_harm():
    work = Work()
    assert asyncio.run(work.run(lambda tell: 5)) == 5
    work.cancel()
    with pytest.raises(Cancelled):
        work.tell(1)
    assert asyncio.run(Work().run(lambda tell: tell(1))) is None, "another piece of work does not know of it"


@pytest.mark.parametrize("error", [VideoError("it broke off"), ZeroDivisionError("by nought"), MemoryError()])
def test_what_goes_wrong_comes_through(error):
    shown = []

    def job(tell):
        tell(2, 5)
        raise error

    with pytest.raises(type(error)) as found:
        asyncio.run(Work().run(job, lambda *numbers: shown.append(numbers)))
    assert found.value is error
    assert shown[-1] == (2, 5)
    with pytest.raises(type(error)):
        asyncio.run(aside(lambda: job(Work().tell)))


def test_cancelled_is_not_what_users_meet_as_an_error():
    from tinytrack.errors import TinytrackError

    assert not issubclass(Cancelled, TinytrackError | OSError)


def test_a_job_without_a_loop_runs_to_its_end_at_once():
    steps = []

    async def job():
        steps.append(await Work().run(lambda tell: "worked"))

    assert start(job()) is None
    assert steps == ["worked"]


def test_an_error_of_a_job_without_a_loop_comes_through():
    async def job():
        raise VideoError("it broke off")

    with pytest.raises(VideoError):
        start(job())


def test_a_job_within_a_loop_begins_later_and_is_kept_until_its_end():
    steps = []

    async def page():
        go_on = asyncio.Event()

        async def job():
            steps.append("begun")
            await go_on.wait()
            steps.append("done")

        assert start(job()) is None
        steps.append("returned")
        await asyncio.sleep(0)
        (task,) = background._running  # a loop alone would let it go
        go_on.set()
        await task
        await asyncio.sleep(0)
        assert not background._running

    asyncio.run(page())
    assert steps == ["returned", "begun", "done"]
