"""What goes on beside the runs, in `serve` and in `watch`: landings are told of, bad ends are said, and what was missed is asked for.

None of it is a run on the server. A server that does not answer is said once, and asked again at the next turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flows.console.output import place
from flows.console.stopping import until_told_to_stop
from flows.delivery.routes import backlogs
from flows.inbox import watch as watching
from flows.inbox.announce import announce
from flows.observe import messages, metrics
from flows.pipeline.committed import behind_since, unpublished
from flows.server import runs, sweep
from flows.settings import Settings
from warehouse.errors import Fault
from warehouse.mart import queries

# Seconds between two turns of each task.
RUNS_EACH, REFUSALS_EACH, MESSAGES_EACH, NUMBERS_EACH, SWEEP_EACH = 10.0, 10.0, 10.0, 60.0, 300.0
# One message in that time for a sink that is stuck, or a flow that fails again and again.
SAID_ONCE_IN = timedelta(hours=12)
# A batch that lay in the inbox at the start has been told of by then, and its refresh is on its way.
FIRST_SWEEP_AFTER = 60.0


@dataclass(slots=True)
class Attendant:
    """Does each task in its turn when it is asked to; `echo` takes what a person should see, a line at a time."""

    settings: Settings
    echo: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _watcher: watching.Watcher = field(init=False)
    _due: dict[str, float] = field(init=False)
    _since: datetime = field(init=False)
    _is_unpublished: bool = field(default=False, init=False)
    _known: set[UUID] = field(default_factory=set, init=False)
    _refused: set[tuple[str, str, str, datetime]] | None = field(default=None, init=False)
    _books_of: float | None = field(default=None, init=False)
    _told: dict[str, datetime] = field(default_factory=dict, init=False)
    _unsent: list[str] = field(default_factory=list, init=False)
    _trouble: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        began = self.clock()
        self._watcher = watching.Watcher(self.settings, announce, self.clock)
        self._due = {
            "runs": began,
            "refusals": began,
            "messages": began,
            "numbers": began,
            "sweep": began + FIRST_SWEEP_AFTER,
        }
        self._since = self.now()

    def attend(self, *, look: bool) -> None:
        """One turn; `look`: whether the inbox may have changed."""
        if look or self._watcher.is_due():
            self._try("inbox", lambda: watching.report(self._watcher.look(), self.echo))
        for task, each, work in (
            ("runs", RUNS_EACH, self._look_after_runs),
            ("refusals", REFUSALS_EACH, self._look_at_refusals),
            ("messages", MESSAGES_EACH, self._send_messages),
            ("numbers", NUMBERS_EACH, self._write_numbers),
            ("sweep", SWEEP_EACH, self._sweep),
        ):
            if self.clock() >= self._due[task]:
                self._due[task] = self.clock() + each
                self._try(task, work)

    def _try(self, task: str, work: Callable[[], None]) -> None:
        """Do it; what keeps it from being done is said once, and not again until it could be done."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one task, the others go on
            trouble = " ".join(f"{type(error).__name__}: {error}".split())
            if self._trouble.get(task) != type(error).__name__:
                self.echo(f"{task}: could not be looked after ({trouble[:200]}); it is tried again")
            self._trouble[task] = type(error).__name__
        else:
            self._trouble.pop(task, None)

    def _look_after_runs(self) -> None:
        """Say which ended badly, and let one refresh wait for all that lands.

        A run may be written down a little after it ended: so a stretch is looked at twice, and said once.
        """
        for each in runs.bad_ends(self._since - timedelta(seconds=2 * RUNS_EACH)):
            if each.id not in self._known:
                self._known.add(each.id)
                self.echo(str(each))
                self._put_down(each.flow, f"valuemart: {each}")
        self._since = max(self._since, self.now() - timedelta(minutes=5))
        runs.cancel_surplus(sweep.REFRESH.rpartition("/")[2], self.now())

    def _look_at_refusals(self) -> None:
        """Tell of each batch that was refused since this began, by the published books; once, until it is tried and refused anew."""
        books = self.settings.ops_file
        changed = books.stat().st_mtime if books.is_file() else None
        if self._refused is not None and changed == self._books_of:
            return
        refused = queries.refused_batches(books)
        new = () if self._refused is None else (batch for batch in refused if batch not in self._refused)
        for source, company, batch_id, at in new:
            faults = (str(Fault(**fault)) for fault in refused[source, company, batch_id, at])
            place = f"{source}/{company}/{batch_id}"
            self._unsent.append(f"valuemart refused the batch {place}: {'; '.join(faults)}")
        self._refused, self._books_of = set(refused), changed

    def _put_down(self, subject: str, text: str) -> None:
        """Keep a message for people, unless they have heard of its subject in the last twelve hours."""
        now = self.now()
        if subject not in self._told or now - self._told[subject] >= SAID_ONCE_IN:
            self._told[subject] = now
            self._unsent.append(text)

    def _send_messages(self) -> None:
        """Send what people have not been told yet; what is not taken waits for the next turn."""
        if self.settings.notify_url is None:
            self._unsent.clear()
            return
        while self._unsent:
            messages.send(self.settings.notify_url, self._unsent[0])
            self._unsent.pop(0)

    def _write_numbers(self) -> None:
        """What each sink has not got yet, how far behind the published files are, and what the server knows of runs."""
        now = self.now()
        metrics.write_events(self.settings, backlogs(self.settings), now)
        behind = behind_since(self.settings, is_unpublished=self._is_unpublished)
        metrics.write_runs(self.settings, runs.counts(), behind, now)

    def _sweep(self) -> None:
        """Ask for what was missed, and tell of sinks whose oldest event has been waiting for too long."""
        now = self.now()
        for sink, backlog in backlogs(self.settings).items():
            age = backlog.age(now)
            if age > timedelta(minutes=self.settings.stuck_after_minutes):
                self._put_down(
                    f"sink {sink}",
                    f"valuemart: the sink {sink} has {backlog.waiting:,} events waiting, the oldest for "
                    f"{age / timedelta(hours=1):.1f} hours, and {backlog.dead:,} given up; see `valuemart status`",
                )
        self._is_unpublished = unpublished(self.settings) is not None
        if reason := sweep.sweep(self.settings):
            self.echo(f"sweep: a refresh was asked for: {reason}")


def watch(settings: Settings, *, echo: Callable[[str], None]) -> None:
    """Attend until Ctrl-C or SIGTERM."""
    attendant = Attendant(settings, echo)
    with until_told_to_stop():
        echo(f"watching {place(settings.inbox)}")
        for due in watching.changes(settings.inbox):
            attendant.attend(look=due)
    echo("stopped")
