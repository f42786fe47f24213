"""What kinds of work there are: who does it, how many at once, what happens when it fails.

A kind's ``run`` is given a job and does the slow part. What it wants written together with the job's end it returns
as an effect, so that both land in one transaction, and neither does when another worker has taken the job over.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from store.changes.engine import StoreTxn
from store.queue.jobs import Job

Effect = Callable[[StoreTxn], object]
Run = Callable[[Job], Awaitable[Effect | None]]

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0


class JobFailed(Exception):
    """This try came to nothing, for a reason outside: it is tried again later, or given up when ``is_permanent``.

    Anything else that a run raises is logged as a fault and tried again in the same way.
    """

    def __init__(self, why: str, *, is_permanent: bool = False) -> None:
        super().__init__(why)
        self.is_permanent = is_permanent


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job. They come from ``store.queue.jobs.put`` or ``want``; a regular one (``every_s``) by itself."""

    name: str
    run: Run  #: harmless when it runs twice; cancelled when the job was lost
    at_once: int = 1  #: of one worker
    lease_s: float = 60.0  #: renewed while it runs; after this long a dead worker's job goes to another
    #: Waits between attempts, the last one repeated; up to a quarter is taken off by chance.
    pauses_s: tuple[float, ...] = (1.0, 10.0, MINUTE_S, 5 * MINUTE_S, HOUR_S)
    give_up_s: float = 5 * DAY_S  #: after it was enqueued; then it is kept aside for a person
    given_up: Callable[[StoreTxn, Job, str], object] | None = None  #: what is written with that
    every_s: float | None = None  #: upkeep: one job of this name, that long after it was last done; never given up
