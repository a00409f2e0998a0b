"""Long-running work next to a live page: its progress and end are reported, and the event loop stays responsive."""

import asyncio
import threading

import pytest

from tinytrack.errors import VideoError
from tinytrack.interactive import background
from tinytrack.interactive.background import Cancelled, Work, aside, start


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Poll often, so that the tests are fast."""
    monkeypatch.setattr(background, "EVERY", 0.01)


def test_work_returns_its_result_and_runs_in_another_thread():
    def job(tell):
        tell(3, 4)
        return threading.get_ident()

    work = Work()
    assert (work.done, work.total) == (0, 0)
    assert asyncio.run(work.run(job)) not in (None, threading.get_ident())
    assert (work.done, work.total) == (3, 4)


def test_progress_is_shown_in_this_thread_while_the_work_continues():
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
    assert shown[-1] == (2, 2), "the final progress is shown too"
    assert (1, 2) in shown
    assert shown == sorted(shown)
    assert set(shown) <= {(0, 0), (1, 2), (2, 2)}
    assert threads == {threading.get_ident()}


def test_an_unknown_total_is_zero():
    shown = []

    def job(tell):
        tell(7)

    asyncio.run(Work().run(job, lambda *numbers: shown.append(numbers)))
    assert shown[-1] == (7, 0)


def test_other_jobs_of_the_loop_continue_meanwhile():
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


def test_cancel_is_raised_in_the_work_when_it_next_reports_progress():
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


def test_work_cancelled_before_it_starts_ends_at_its_first_report():
    work, steps = Work(), []
    work.cancel()

    def job(tell):
        steps.append("begun")
        tell(1, 2)
        steps.append("gone on")

    with pytest.raises(Cancelled):
        asyncio.run(work.run(job))
    assert steps == ["begun"]


def test_cancelling_finished_work_is_harmless():
    work = Work()
    assert asyncio.run(work.run(lambda tell: 5)) == 5
    work.cancel()
    with pytest.raises(Cancelled):
        work.tell(1)
    assert asyncio.run(Work().run(lambda tell: tell(1))) is None, "another piece of work is not affected"


@pytest.mark.parametrize("error", [VideoError("it broke off"), ZeroDivisionError("by nought"), MemoryError()])
def test_errors_reach_the_caller(error):
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


def test_cancelled_is_not_an_error_that_users_see():
    from tinytrack.errors import TinytrackError

    assert not issubclass(Cancelled, TinytrackError | OSError)


def test_without_a_loop_a_job_runs_to_its_end_at_once():
    steps = []

    async def job():
        steps.append(await Work().run(lambda tell: "worked"))

    assert start(job()) is None
    assert steps == ["worked"]


def test_without_a_loop_an_error_of_a_job_reaches_the_caller():
    async def job():
        raise VideoError("it broke off")

    with pytest.raises(VideoError):
        start(job())


def test_within_a_loop_a_job_starts_later_and_is_kept_until_its_end():
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
        (task,) = background._running  # the loop alone would let the task be garbage-collected
        go_on.set()
        await task
        await asyncio.sleep(0)
        assert not background._running

    asyncio.run(page())
    assert steps == ["returned", "begun", "done"]
