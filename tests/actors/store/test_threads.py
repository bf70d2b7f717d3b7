"""A thread beside a busy loop: it is let through, and ends as its function does."""

import time
from threading import get_ident

import pytest
import trio
from trio.testing import MockClock

from trouper.actors.store.threads import in_thread


async def test_it_answers_what_the_function_does() -> None:
    here = get_ident()

    assert await in_thread(get_ident) != here
    assert await in_thread(divmod, 7, 2) == (3, 1)


async def test_it_raises_what_the_function_does_and_no_group() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_it_is_waited_for_also_where_it_is_cancelled() -> None:
    ended = []

    def work() -> None:
        time.sleep(0.02)
        ended.append("work")

    with trio.move_on_after(0.005) as scope:
        await in_thread(work)

    assert ended == ["work"]
    assert scope.cancelled_caught


async def test_virtual_time_does_not_jump_over_its_work(autojump_clock: MockClock) -> None:
    with trio.fail_after(60):
        await in_thread(time.sleep, 0.005)
