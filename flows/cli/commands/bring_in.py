"""Bring data in and rate: land, sources, refresh, backfill, restate, demo."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from flows.cli.commands.common import Json, app, month, settings_of_this_process, work
from flows.errors import UsageError

if TYPE_CHECKING:
    from warehouse.delivery.manifest import Window


Mode = Literal["full_snapshot", "window_replace", "delta_upsert"]


@app.command(group=work)
def land(
    *paths: Annotated[
        str,
        Parameter(
            help="Files to land, or RESOURCE=FILE where a file's name does not say what it is; FILE#SHEET is one sheet of a "
            "workbook."
        ),
    ],
    source: Annotated[str, Parameter(help="The source that describes them; see `valuemart sources`.")],
    company: Annotated[str, Parameter(help="The legal entity they belong to.")],
    extracted_at: Annotated[
        datetime | None,
        Parameter(help="When they were taken from the ERP; else when the youngest was last changed."),
    ] = None,
    mode: Annotated[
        Mode | None,
        Parameter(
            help="Whether a row that is absent is gone: full_snapshot (yes), window_replace (if it bears a day of the "
            "window), delta_upsert (no); else as the source says."
        ),
    ] = None,
    window_from: Annotated[
        date | None, Parameter(help="The first day of which the files bring every row (window_replace).")
    ] = None,
    window_to: Annotated[date | None, Parameter(help="The last day of which they do.")] = None,
    sequence: Annotated[int, Parameter(help="The batch's number, where the ERP counts its extracts.")] = 0,
    setting: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            help="What the source may be told of these files, as amountBasis=internal; may be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a batch of files you exported and put it into the inbox; `refresh` loads it.

    The same files taken at the same time are one batch, however often you land them.
    """
    from flows.cli.views.bring_in import show_landed
    from flows.inbox.announce import announce
    from flows.inbox.landing import FURTHEST_AHEAD, extraction_time, land
    from flows.settings import aware

    window = _window(mode, window_from, window_to)
    settings = settings_of_this_process()
    stated = {}
    for given in setting or []:
        name, sign, value = given.partition("=")
        if not sign:
            raise UsageError(f"--setting {given}: write it as NAME=VALUE")
        stated[name] = value
    taken = aware(extracted_at, settings.timezone) if extracted_at else extraction_time(paths)
    if taken > datetime.now(UTC) + FURTHEST_AHEAD:
        raise UsageError(
            f"the files would be of {taken:%Y-%m-%d %H:%M}, more than a day ahead of this machine's clock, and all that lands "
            "until then older than they are: say by --extracted-at when they were taken from the ERP"
        )
    landed = land(
        settings,
        paths,
        source=source,
        company=company,
        extracted_at=taken,
        sequence=sequence,
        mode=mode,
        stated=stated,
        window=window,
    )
    show_landed(landed, untold=announce(landed), as_json=as_json)


def _window(mode: str | None, first: date | None, last: date | None) -> Window | None:
    """The days of a window; UsageError where one end is missing, they are swapped, or the mode has none."""
    from warehouse.delivery.manifest import Window

    if first is None and last is None:
        return None
    if first is None or last is None:
        raise UsageError("a window has two ends; name both --window-from and --window-to")
    if last < first:
        raise UsageError(f"--window-from {first} lies after --window-to {last}; name the earlier day first")
    if mode in {"full_snapshot", "delta_upsert"}:
        raise UsageError(f"--mode {mode} has no window; say --mode window_replace")
    return Window(first, last)


@app.command(group=work)
def check(
    source: Annotated[str, Parameter(help="The source that describes the files; see `valuemart sources`.")],
    /,
    *paths: Annotated[
        str, Parameter(help="Files, or RESOURCE=FILE where a file's name does not say what it is.")
    ],
    company: Annotated[str, Parameter(help="The legal entity they belong to.")] = "check",
    mode: Annotated[Mode | None, Parameter(help="As in `land`.")] = None,
    window_from: Annotated[date | None, Parameter(help="As in `land`.")] = None,
    window_to: Annotated[date | None, Parameter(help="As in `land`.")] = None,
    limit: Annotated[int, Parameter(help="How many rows of each rule to show.")] = 3,
    max_quarantined: Annotated[
        float, Parameter(help="End with 3 if a larger share of the rows would be put into quarantine.")
    ] = 0.1,
    as_json: Json = False,
) -> int:
    """Try files on a source without loading them: what would be accepted, quarantined and refused, and why.

    Nothing is touched; ends with 3 if they would be refused, or too many rows quarantined. Files are judged by themselves, as the first batch of an empty warehouse.
    """
    from flows.cli.views.quarantine import show_dry_run
    from flows.errors import REFUSED
    from flows.pipeline.dry_run import dry_run

    if limit < 1:
        raise UsageError(f"--limit {limit} shows nothing; name 1 or more")
    if not 0 <= max_quarantined <= 1:
        raise UsageError(f"--max-quarantined {max_quarantined} is no share; name one from 0 to 1")
    window = _window(mode, window_from, window_to)
    tried = dry_run(
        settings_of_this_process(),
        paths,
        source=source,
        company=company,
        mode=mode,
        window=window,
        examples=limit,
    )
    show_dry_run(tried, as_json=as_json)
    is_bad = tried.outcome.status == "refused" or tried.quarantined > max_quarantined * tried.rows
    return REFUSED if is_bad else 0


@app.command(group=work)
def refresh(
    *,
    as_of: Annotated[
        date | None, Parameter(help="Rate as of this day; else yesterday in the company's time zone.")
    ] = None,
    strict: Annotated[
        bool, Parameter(negative=(), show_default=False, help="End with 4 if rows were put into quarantine.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Load what has landed, rate, publish the mart and send the events; does nothing where nothing is new."""
    from flows.cli.run_flow import run_refresh
    from flows.cli.views.run import show_refresh
    from flows.settings import yesterday

    settings = settings_of_this_process()
    result = run_refresh(settings, as_of or yesterday(settings.timezone))
    show_refresh(result, as_json=as_json)
    return result.exit_code(strict=strict or settings.strict)


@app.command(group=work)
def backfill(
    *,
    first: Annotated[
        date, Parameter(name="--from", converter=month, help="The first month to rate, as 2024-01.")
    ],
    last: Annotated[date, Parameter(name="--to", converter=month, help="The last month to rate.")],
    as_json: Json = False,
) -> int:
    """Rate past months in order, each by what was known at its end, then catch up with the latest rating."""
    if last < first:
        raise UsageError(f"--from {first:%Y-%m} lies after --to {last:%Y-%m}; name the earlier month first")

    from flows.cli.run_flow import run_backfill
    from flows.cli.views.run import show_backfill

    settings = settings_of_this_process()
    results = run_backfill(settings, first, last)
    show_backfill(results, as_json=as_json)
    return max(result.exit_code(strict=settings.strict) for result in results)


@app.command(group=work)
def restate(
    *,
    first: Annotated[
        date, Parameter(name="--from", converter=month, help="The first month to rate anew, as 2024-01.")
    ],
    as_json: Json = False,
) -> int:
    """Rate closed months anew by today's rules, each under its own policy: revisions, and events only for what differs now."""
    from flows.cli.run_flow import run_restate
    from flows.cli.views.run import show_refresh

    settings = settings_of_this_process()
    result = run_restate(settings, first)
    show_refresh(result, as_json=as_json)
    return result.exit_code(strict=settings.strict)


@app.command(group=work)
def reload(
    source: Annotated[str, Parameter(help="The source whose mapping was corrected.")],
    /,
    *,
    company: Annotated[str | None, Parameter(help="The legal entity; else all.")] = None,
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Change nothing, and say what would change.")
    ] = False,
    keep_missing: Annotated[
        bool, Parameter(negative=(), help="Keep what batches gave that do not lie in the archive any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Load the archive of a source again by today's mapping, in order, all or nothing; `refresh` then rates what changed.

    What the old mapping gave and today's does not is gone. Times of recording stay the first ones.
    """
    from expectations.gate import Gate
    from flows.cli.views.run import show_reload
    from flows.pipeline import reload as reloading
    from flows.pipeline.stages import now

    settings = settings_of_this_process()
    report = reloading.reload(
        settings,
        Gate(),
        source,
        company,
        keep_missing=keep_missing,
        dry_run=dry_run,
        recorded_at=now(),
    )
    show_reload(report, as_json=as_json)


@app.command(group=work)
def demo(
    *,
    customers: Annotated[int, Parameter(help="How many customers the sample company has.")] = 400,
    seed: Annotated[int, Parameter(help="Another number makes another company.")] = 7,
    as_json: Json = False,
) -> int:
    """Make a sample company's extracts, load them month by month, rate each month, publish, and show the result."""
    from flows.cli import demo as showcase

    settings = settings_of_this_process()
    shown = showcase.run(settings, customers=customers, seed=seed)
    showcase.show(settings, shown, as_json=as_json)
    return shown.exit_code


@app.command(group=work)
def sources(*, as_json: Json = False) -> None:
    """List the sources that can be landed, where their mappings lie, and what each delivers."""
    from flows.cli.views.bring_in import show_sources
    from warehouse.delivery.profile import find_sources, read_source

    settings = settings_of_this_process()
    known = [read_source(folder) for folder in find_sources(settings.sources_path).values()]
    show_sources(known, as_json=as_json)
