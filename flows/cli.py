"""The command line `valuemart`.

Nothing heavy is imported before a command needs it, so that `--help` answers at once. A person's mistake is answered
in one line that says what to do; exit codes: 0 done, 2 wrong usage, settings, source or policy, 3 a batch was refused,
4 rows were quarantined under --strict, 130 interrupted, 1 anything else.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter, Token

from flows import progress, render
from flows.faults import INTERRUPTED, USAGE, UsageError, exit_code, is_of_an_interrupt

if TYPE_CHECKING:
    from types import FrameType

    from flows.settings import Settings
    from warehouse.reading import QuarantineFilter

Json = Annotated[
    bool, Parameter(name="--json", negative=(), show_default=False, help="Print JSON instead of a table.")
]
Company = Annotated[str | None, Parameter(help="Only this legal entity.")]
Source = Annotated[str | None, Parameter(help="Only what this source delivered.")]
Batch = Annotated[str | None, Parameter(help="Only this batch.")]
Table = Annotated[str | None, Parameter(help="Only this canonical table, such as invoice_lines.")]
Rule = Annotated[str | None, Parameter(help="Only rows that broke this rule.")]


def _version() -> str:
    from importlib.metadata import version

    return version("valuemart")


work = Group("Bring data in and rate", sort_key=1)
look = Group("Look at the results", sort_key=2)
rules = Group("Set the rules", sort_key=3)

app = App(
    name="valuemart",
    help="Rates customers from ERP extracts and keeps a mart of what each is worth.",
    help_format="plaintext",
    version=_version,
    suppress_keyboard_interrupt=False,
)
quarantine = App(name="quarantine", help="See which rows were kept out, and why.", group=look)
policy = App(name="policy", help="Look after the policy, the file with every weight and bar.", group=rules)
app.command(quarantine)
app.command(policy)


def main() -> None:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    sys.exit(run(sys.argv[1:]))


def _interrupt(_: int, __: FrameType | None) -> None:
    """Stop the run, at the next step if it does not stop here; who asks twice does not want to wait for either."""
    if progress.is_stopping():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n" if sys.stderr.isatty() else b"")  # the cursor back
        os._exit(INTERRUPTED)
    progress.stop()
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run one command; what a person did wrong becomes one line on standard error and an exit code."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # while a reader that is gone can still be answered
    except CycloptsError as error:
        _fail(f"{str(error).strip()} Try `valuemart --help`.")
        return USAGE
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:  # the reader of our output, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if is_of_an_interrupt(error):
            return _interrupted()
        known = exit_code(error)
        if known is None:
            raise
        for line in str(error).splitlines():
            _fail(line)
        return known
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    _fail("interrupted; what was committed stays, and the same command goes on from there")
    return INTERRUPTED


def _fail(message: str) -> None:
    render.complain(f"valuemart: error: {' '.join(message.split())}")


def _settings() -> Settings:
    from flows.settings import load

    return load()


def _month(_: type, tokens: Sequence[Token]) -> date:
    """The first day of a month written as 2024-01."""
    try:
        return datetime.strptime(tokens[0].value, "%Y-%m").date()  # noqa: DTZ007 - a month, nowhere in particular
    except ValueError:
        raise UsageError(f"{tokens[0].value!r} is no month; write it as 2024-01") from None


@app.command(group=work)
def land(
    *paths: Annotated[
        str, Parameter(help="Files to land, or RESOURCE=FILE where a file's name does not say what it is.")
    ],
    source: Annotated[str, Parameter(help="The source that describes them; see `valuemart sources`.")],
    company: Annotated[str, Parameter(help="The legal entity they belong to.")],
    extracted_at: Annotated[
        datetime | None,
        Parameter(help="When they were taken from the ERP; else when the youngest was last changed."),
    ] = None,
    mode: Annotated[
        Literal["full_snapshot", "delta_upsert"] | None,
        Parameter(help="Whether a row that is absent is gone (full_snapshot); else as the source says."),
    ] = None,
    sequence: Annotated[int, Parameter(help="The batch's number, where the ERP counts its extracts.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a batch of files you exported and put it into the inbox; `refresh` loads it.

    The same files taken at the same time are one batch, however often you land them.
    """
    from flows import views
    from flows.announce import announce
    from flows.pull import extraction_time, land
    from flows.settings import aware

    settings = _settings()
    taken = aware(extracted_at, settings.timezone) if extracted_at else extraction_time(paths)
    landed = land(
        settings, paths, source=source, company=company, extracted_at=taken, sequence=sequence, mode=mode
    )
    views.show_landed(landed, untold=announce(landed), as_json=as_json)


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
    from flows.run_views import show_refresh
    from flows.running import run_refresh
    from flows.settings import yesterday

    settings = _settings()
    result = run_refresh(settings, as_of or yesterday(settings.timezone))
    show_refresh(result, as_json=as_json)
    return result.exit_code(strict=strict or settings.strict)


@app.command(group=work)
def backfill(
    *,
    first: Annotated[
        date, Parameter(name="--from", converter=_month, help="The first month to rate, as 2024-01.")
    ],
    last: Annotated[date, Parameter(name="--to", converter=_month, help="The last month to rate.")],
    as_json: Json = False,
) -> int:
    """Rate past months in order, each by what was known at its end, then catch up with the latest rating."""
    if last < first:
        raise UsageError(f"--from {first:%Y-%m} lies after --to {last:%Y-%m}; name the earlier month first")

    from flows.run_views import show_backfill
    from flows.running import run_backfill

    settings = _settings()
    results = run_backfill(settings, first, last)
    show_backfill(results, as_json=as_json)
    return max(result.exit_code(strict=settings.strict) for result in results)


@app.command(group=work)
def demo(
    *,
    customers: Annotated[int, Parameter(help="How many customers the sample company has.")] = 400,
    seed: Annotated[int, Parameter(help="Another number makes another company.")] = 7,
    as_json: Json = False,
) -> int:
    """Make a sample company's extracts, load them month by month, rate each month, publish, and show the result."""
    from flows import showcase

    settings = _settings()
    shown = showcase.run(settings, customers=customers, seed=seed)
    showcase.show(settings, shown, as_json=as_json)
    return shown.exit_code


def _wanted(
    source: str | None, company: str | None, batch: str | None, table: str | None, rule: str | None
) -> QuarantineFilter:
    from warehouse.reading import QuarantineFilter

    return QuarantineFilter(source=source, company=company, batch=batch, table=table, rule=rule)


@app.command(group=look)
def status(
    *, latest: Annotated[int, Parameter(help="How many batches to list.")] = 10, as_json: Json = False
) -> None:
    """Show what was loaded, what was kept out, what is waiting, and whether events went out."""
    from flows import views
    from flows.pull import scan_inbox
    from flows.relay import backlogs
    from flows.sinks.file import FileSink
    from warehouse import reading

    settings = _settings()
    views.show_status(
        settings,
        reading.status(settings.ops_file, latest=latest),
        scan_inbox(settings.inbox),
        backlogs(settings.relay_file, [FileSink.name]),
        as_json=as_json,
    )


@quarantine.command(name="list")
def quarantine_list(
    *,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    as_json: Json = False,
) -> None:
    """Count quarantined rows by the rule they broke, with the first of each."""
    from flows import views
    from warehouse import reading

    found = reading.quarantine_rules(_settings().ops_file, _wanted(source, company, batch, table, rule))
    views.show_quarantine_rules(found, as_json=as_json)


@quarantine.command(name="show")
def quarantine_show(
    *,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    limit: Annotated[int, Parameter(help="How many rows to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show quarantined rows: file, row, the text as delivered, and every rule it broke."""
    from flows import views
    from warehouse import reading

    found = reading.quarantine_rows(
        _settings().ops_file, _wanted(source, company, batch, table, rule), limit=limit
    )
    views.show_quarantine_rows(found, as_json=as_json)


@quarantine.command(name="export")
def quarantine_export(
    *,
    out: Annotated[
        Path | None, Parameter(help="The file to write; standard output if none is named.")
    ] = None,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), show_default=False, help="One JSON object a line.")
    ] = False,
) -> None:
    """Write quarantined rows as CSV, one line a row and rule, to send to whoever keeps the ERP."""
    from flows import views
    from warehouse import reading

    found = reading.quarantine_export(_settings().ops_file, _wanted(source, company, batch, table, rule))
    views.export(reading.EXPORT_COLUMNS, found, out, as_json=as_json)


@app.command(group=look)
def explain(
    customer: Annotated[str, Parameter(help="The customer's number.")],
    /,
    *,
    company: Annotated[
        str | None, Parameter(help="The legal entity, where several have that number.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say why a customer has its tier: measures, scores, what changed, gates, memory, what would move it."""
    from flows import views
    from flows.explaining import explain_customer
    from warehouse import reading

    settings = _settings()
    file = reading.customer_file(settings.mart_file, customer, company)
    ruling_policy = reading.policy_text(settings.ops_file, file.current["policy_hash"])
    views.show_customer(file, explain_customer(file, ruling_policy), as_json=as_json)


@app.command(group=work)
def sources(*, as_json: Json = False) -> None:
    """List the sources that can be landed, where their mappings lie, and what each delivers."""
    from flows import views
    from warehouse.source import find_sources, read_source

    settings = _settings()
    known = [read_source(folder) for folder in find_sources(settings.sources_path).values()]
    views.show_sources(known, as_json=as_json)


@app.command(group=rules)
def calibrate(
    *,
    out: Annotated[
        Path | None, Parameter(help="The file to write; standard output if none is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Propose a policy fitted to your data, as a file to review; nothing is rated by it until you configure it."""
    from flows import views
    from flows.calibrating import propose, write
    from transforms.policy import parse_policy

    proposal = propose(_settings())
    if out is None:
        if as_json:
            render.say_json({"toml": proposal})
        else:
            render.say(proposal.rstrip("\n"))
        return
    write(proposal, out)
    views.show_policy(parse_policy(proposal), out, as_json=as_json)


@policy.command(name="check")
def policy_check(
    file: Annotated[Path, Parameter(help="The policy file, TOML.")], /, *, as_json: Json = False
) -> None:
    """Check a policy file before it rules: every wrong key, weight and bar is named."""
    from flows import views
    from transforms.policy import parse_policy

    views.show_policy(parse_policy(_text(file)), file, as_json=as_json)


def _text(file: Path) -> str:
    """A text file that a person named."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"{file} cannot be read: {reason}") from error
