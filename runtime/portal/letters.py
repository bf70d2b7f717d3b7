"""Jobs for another thread's loop, which is woken once for all that come in the meantime.

A wake-up is a system call, a switch of threads and a turn of the other loop, and
costs far more than most jobs. So only the first job after the other side has
begun to work wakes it.
"""

from collections import deque
from collections.abc import Callable
from threading import get_ident

__all__ = ["Job", "Letters", "Waker"]

Job = Callable[[], object]
Waker = Callable[[Job], object]
"""Calls a function in the other thread soon; raises RuntimeError where its loop is no more."""


class Letters:
    """Where any thread posts jobs; they run in the other one, in the order posted.

    Jobs must not raise. Before the loop is known they wait for `deliver_by`.
    Jobs for a loop that is no more are dropped: whoever waits for what they
    would do is told by the end of the run.
    """

    __slots__ = ("_jobs", "_posted", "_wake", "_waking")

    def __init__(self, wake: Waker | None = None) -> None:
        self._jobs: deque[Job] = deque()
        self._wake = wake
        # Whether `work` is on its way. Both sides change it without a lock: the
        # poster appends and then looks, the worker clears it and then takes, so
        # a job that wakes nobody is always seen by the work to come.
        self._posted = False
        # Threads between the two: a signal's handler that posts there and waits for what it
        # has posted would wait for a wake-up that only comes when it is over.
        self._waking: set[int] = set()

    def deliver_by(self, wake: Waker) -> None:
        """From now on wake the loop with this. Called in its thread, once."""
        self._wake = wake
        self.work()

    def post(self, job: Job) -> None:
        """Let `job` run in the other thread soon. From any thread; never waits."""
        self._jobs.append(job)
        if self._wake is None:
            return
        me = get_ident()
        if self._posted and me not in self._waking:
            return
        try:
            self._waking.add(me)
            self._posted = True
            self._wake(self.work)
        except RuntimeError:
            # It is posted for ever: nothing is kept for a loop that is no more.
            self._jobs = deque(maxlen=0)
        except BaseException:
            # Ctrl-C, before or after the wake-up: two of them do no harm, and none would
            # leave all that is ever posted lying here.
            self._posted = False
            raise
        finally:
            self._waking.discard(me)

    def work(self) -> None:
        """Do what has been posted; later jobs have a turn of their own."""
        self._posted = False
        jobs = self._jobs
        try:
            for _ in range(len(jobs)):
                jobs.popleft()()
        except BaseException:
            # Ctrl-C: whoever waits for the other jobs may be whom the end waits for.
            if self._wake is not None:
                self._wake(self.work)
            raise
