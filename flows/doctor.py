"""Whether a home is sound: versions, migrations, files, policy, published state, relay, conservation, room. Changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import duckdb

from flows.errors import OTHER
from flows.file_modes import wrong_modes
from flows.settings import Settings
from warehouse.errors import WarehouseBusyError
from warehouse.lake.opening import open_at, size

State = Literal["sound", "note", "fault"]

# Publishing builds the mart beside the old one, and a backup copies the warehouse.
_COPIES = 2
_AT_LEAST = 200_000_000  # bytes; scratch files of an ordinary batch
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; a `note` asks for nothing, a `fault` says what to do."""

    what: str
    state: State
    message: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, in the order in which they were looked at; `version` is of the program that looked."""

    version: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 if nothing is wrong, 1 otherwise."""
        return OTHER if any(each.state == "fault" for each in self.findings) else 0


def examine(settings: Settings) -> Diagnosis:
    """Look at everything in a home that can be wrong; nothing in it is written, so it may be read-only.

    What cannot be read is a finding, and does not keep the rest from being looked at.
    """
    looks: Sequence[tuple[str, Callable[[Settings], Iterator[Finding]]]] = (
        ("files", _files),
        ("modes", _modes),
        ("warehouse", _warehouse),
        ("policy", _policy),
        ("published", _published),
        ("relay", _relay),
        ("disk", _disk),
    )
    return Diagnosis(
        version("valuemart"), tuple(found for what, look in looks for found in _looked(what, look, settings))
    )


def _looked(what: str, look: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    from warehouse.storage_errors import described

    found: list[Finding] = []
    try:
        found.extend(look(settings))
    except Exception as error:
        # The rooms' errors that a person can mend bear an exit code.
        told = error if hasattr(type(error), "exit_code") else described(error)
        if told is None:
            raise
        found.append(Finding(what, "note" if isinstance(told, WarehouseBusyError) else "fault", str(told)))
    return found


def _files(settings: Settings) -> Iterator[Finding]:
    from warehouse.mart import share

    if not settings.home.is_dir():
        yield Finding(
            "files", "note", f"{settings.home} is not there yet; the first command that writes makes it"
        )
        return
    key = settings.home / share.KEY_FILE
    if key.exists():
        if not key.read_text(encoding="utf-8").strip():
            yield Finding(
                "files",
                "fault",
                f"{key} is empty, so names are masked without a secret; remove it and refresh",
            )
        elif key.stat().st_mode & 0o077:
            yield Finding("files", "fault", f"{key} is a secret that others can read; run `chmod 600 {key}`")
    left = [path for path in settings.home.glob(".restoring") if path.is_dir()]
    if left:
        yield Finding("files", "fault", f"{left[0]}: a restore was cut short; run `valuemart restore` again")
    yield Finding("files", "sound", f"the home is {settings.home}")


def _modes(settings: Settings) -> Iterator[Finding]:
    """A note, since it is no fault of the data; the secrets have findings of their own."""
    if not settings.home.is_dir():
        return
    wrong = [path for path, _ in wrong_modes(settings)]
    readers = f"the group {settings.publish_group}" if settings.publish_group else "nobody else"
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        yield Finding(
            "modes",
            "note",
            f"{wrong[0]}{more}: others may read what is the owner's, or the readers may not; "
            f"`valuemart maintain --fix-modes` gives the home to its owner, and what is published to {readers}",
        )
        return
    yield Finding("modes", "sound", f"the home is its owner's; what is published is read by {readers}")


def _warehouse(settings: Settings) -> Iterator[Finding]:
    if not settings.warehouse_at.exists():
        yield Finding("warehouse", "note", "nothing was loaded yet")
        return
    with open_at(settings.warehouse_at, read_only=True, patience=_PATIENCE) as connection:
        yield from _tables(connection)
        yield from _conservation(connection)
        yield from _currencies(connection, settings)


def _tables(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    from warehouse.store import migrate

    written = [f"{name} since {since:%Y-%m-%d}" for name, since in migrate.made_by(connection)]
    yield Finding(
        "version", "sound", f"the warehouse was written by {', then '.join(written) or 'nobody yet'}"
    )
    due = migrate.due(connection)
    if due:
        names = ", ".join(each.name for each in due)
        message = (
            f"due: {names}; back up, then the next command that writes (`valuemart refresh`) applies them"
        )
        yield Finding("migrations", "note", message)
        return
    yield Finding("migrations", "sound", f"all {len(migrate.migrations())} are applied")
    differences = migrate.differences(connection)
    for each in differences:
        yield Finding(
            "tables", "fault", f"{each}; use the version that made this warehouse, or restore a backup"
        )
    if not differences:
        yield Finding("tables", "sound", "all are as their contracts describe them")


def _conservation(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    from warehouse.store import soundness

    problems = soundness.conservation_problems(connection)
    for each in problems[:20]:
        yield Finding("conservation", "fault", f"{each}; restore a backup, and land again what came after it")
    if len(problems) > 20:
        yield Finding("conservation", "fault", f"and {len(problems) - 20} more of this kind")
    if not problems:
        yield Finding(
            "conservation", "sound", f"every row that came in is accounted for{_balance(connection)}"
        )
    doubles = soundness.doubly_numbered(connection)
    if doubles:
        yield Finding("outbox", "fault", f"{doubles} customers have events of one number; restore a backup")


def _currencies(connection: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[Finding]:
    """A note, since several companies may keep their books in several, and the settings have one."""
    from flows.pipeline.facts import other_currencies

    for each in other_currencies(connection, settings.company_currency):
        yield Finding("currency", "note", each)


def _balance(connection: duckdb.DuckDBPyConnection) -> str:
    """What became of the accepted rows of all tables, as the rest of a sentence; nothing of a warehouse of an older version."""
    from warehouse.store import migrate, soundness

    if migrate.due(connection):
        return ""
    live, deleted, overwritten = soundness.accepted_rows(connection)
    return f": of those accepted {live:,} are live, {deleted:,} deleted and {overwritten:,} overwritten"


def _policy(settings: Settings) -> Iterator[Finding]:
    from flows.pipeline.rate import read_policy, require_policy

    if not settings.policy_file.exists():
        require_policy(settings)
        yield Finding("policy", "note", f"{settings.policy_file} is not there; the first rating writes one")
        return
    policy = read_policy(settings.policy_file)
    yield Finding("policy", "sound", f"{policy.id} {policy.version} in {settings.policy_file}")


def _published(settings: Settings) -> Iterator[Finding]:
    from flows.report import stamp
    from warehouse.mart import publish, share
    from warehouse.store import ledger, migrate

    if not settings.warehouse_at.exists():
        return
    with open_at(settings.warehouse_at, read_only=True, patience=_PATIENCE) as connection:
        if migrate.due(connection):
            yield Finding("published", "note", "is published anew once the warehouse is upgraded")
            return
        state = ledger.generation(connection, "state").generation
    damaged = publish.damaged_files(settings.home, settings.published_folder)
    for file in damaged:
        yield Finding(
            "published",
            "fault",
            f"{file} is cut short or of another program, and nobody can read it; `valuemart refresh` publishes it anew",
        )
    if damaged:  # said once: that they are not all there follows from it
        return
    shown = publish.published_generation(settings.home, settings.published_folder)
    if shown != state:
        found = "are not all there, or of another version" if shown is None else "show an older state"
        yield Finding("published", "note", f"the published files {found}; `valuemart refresh` publishes anew")
        return
    behind = [
        each.file_name for each in settings.shares if not share.is_current(settings.published_folder, each)
    ]
    if behind or not stamp.is_current(settings):
        late = ", ".join([*behind, *([] if stamp.is_current(settings) else ["the report"])])
        yield Finding("published", "note", f"behind the mart: {late}; `valuemart refresh` brings them up")
        return
    yield Finding("published", "sound", f"mart, books and report show state {state} of the warehouse")


def _relay(settings: Settings) -> Iterator[Finding]:
    from flows.delivery.routes import backlogs
    from warehouse.relay.store import read_store

    if not settings.relay_file.exists():
        yield Finding("relay", "note", "no event was handed over yet")
        return
    with read_store(settings.relay_file) as store:
        problem = store.problem()
        dead = len(store.dead_letters())
    if problem:
        yield Finding(
            "relay", "fault", f"{settings.relay_file} is damaged ({problem}); move it away and refresh"
        )
        return
    if dead:
        yield Finding(
            "relay", "note", f"{dead} events were refused for good; see `valuemart events dead-letter list`"
        )
    waiting = {name: each.waiting for name, each in backlogs(settings).items() if each.waiting}
    told = ", ".join(f"{name} has {number} to come" for name, number in waiting.items())
    yield Finding("relay", "sound", told or "every sink has every event")


def _disk(settings: Settings) -> Iterator[Finding]:
    place = next(path for path in (settings.home, *settings.home.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    needed = _COPIES * size(settings.warehouse_at) + _AT_LEAST
    told = f"{free / 1e9:,.1f} GB are free; publishing and a backup take up to {needed / 1e9:,.1f} GB"
    if free < needed:
        yield Finding("disk", "fault", f"{told}: make room in {place}")
    else:
        yield Finding("disk", "sound", told)
