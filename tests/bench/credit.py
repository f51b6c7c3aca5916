"""Do credit warnings come in time? `make bench-credit`.

The ledger is watched on the last day of each month by what was known then. What is to be foreseen: an item becomes more
than 30 days late. A customer is warned of in time if its credit was flagged on a month end within the HORIZON before that
day; a flag is right if such a day follows it within the HORIZON. Beside it the naive rule: anything overdue today. Then a
made ledger of 500 customers, of whom 40 fail.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from expectations.gate import Gate
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.bench import made_ledger
from tests.bench.real_sets import ask, loaded, table, write
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end, months_between
from transforms.policy.credit import WarningBars

LATE_DAYS = 30
HORIZON = timedelta(days=92)  # three month ends: what a look once a month can act on
FIRST, LAST = date(2013, 1, 1), date(2013, 12, 1)  # a year of history comes before the first look

OVERDUE = "overdue_1_30 + overdue_31_60 + overdue_61_90 + overdue_over_90"

# What may be taken for a warning; conditions on a row of the credit watch.
RULES = {
    "credit warning in force": "warning_since IS NOT NULL",
    **{
        f"- by {cause}": f"list_contains(string_split(warning_causes, ', '), '{cause}')"
        for cause in WarningBars.model_fields
    },
    "credit action beyond open": "credit_action <> 'open'",
    "prepay or stop": "credit_action IN ('prepay', 'stop')",
    "overdue today, and late by habit": f"{OVERDUE} > 0 AND days_late_12m > 10",
    "naive: anything overdue today": f"{OVERDUE} > 0",
}

Flag = tuple[str, date]


@dataclass(frozen=True)
class Score:
    """How often somebody was flagged, how often rightly, and who was in time."""

    flags: int
    right: int
    customers: int
    in_time: int
    happened: int

    def cells(self) -> tuple[object, ...]:
        """The cells of a table's row."""
        return (
            self.flags,
            self.right,
            _percent(self.right, self.flags),
            self.customers,
            f"{self.in_time} of {self.happened}",
        )


def main() -> None:
    """Measure and print."""
    _made()
    gate = Gate()
    with tempfile.TemporaryDirectory() as folder:
        settings = loaded("accounts_receivable", Path(folder) / "home", gate)
        late = _became_late(settings)
        write(
            f"{len(late)} items of {len({customer for customer, _ in late})} customers became more than {LATE_DAYS} days "
            f"late between {FIRST:%Y-%m} and {LAST:%Y-%m}; flags are customers on month ends"
        )
        for number, (title, policy) in enumerate(_policies(settings).items()):
            # a home each: a day that is watched again remembers what was found on it before
            own = settings.model_copy(update={"home": Path(folder) / str(number)})
            shutil.copytree(settings.home, own.home)
            own.policy_file.write_text(policy, encoding="utf-8")
            flagged = _flagged(own)
            table(
                title,
                ("rule", "flags", "right", "precision", "customers flagged", "in time"),
                [(rule, *judge(found, late).cells()) for rule, found in flagged.items()],
            )


def _made() -> None:
    """The made ledger under the default policy."""
    policy = rate.parse_policy(rate.default_policy())
    ledger = made_ledger.made_ledger()
    seen = made_ledger.looks(ledger, policy)
    table(
        f"made ledger, {len(ledger.kinds)} customers, {len(ledger.failed_on)} fail; looked at on {made_ledger.LOOKS} month ends",
        ("rule", "flags", "precision", "customers flagged", "seen before they fail", "days before, median"),
        made_ledger.judge(seen, ledger),
    )
    table(
        "customers of each kind that were ever flagged",
        ("kind", "customers", *list(made_ledger.RULES)[:3]),
        made_ledger.by_kind(seen, ledger),
    )
    nothing_owed = made_ledger.without_cause(seen, policy)
    write(
        f"stops and prepays by what is overdue of who owes nothing net overdue and material: {nothing_owed.height}"
    )


def judge(flags: Collection[Flag], late: Collection[Flag]) -> Score:
    """Hold flags against what happened afterwards, within the horizon."""

    def follows(flag: Flag, happened: Flag) -> bool:
        return flag[0] == happened[0] and flag[1] < happened[1] <= flag[1] + HORIZON

    return Score(
        flags=len(flags),
        right=sum(any(follows(flag, each) for each in late) for flag in flags),
        customers=len({customer for customer, _ in flags}),
        in_time=len({each[0] for each in late if any(follows(flag, each) for flag in flags)}),
        happened=len({customer for customer, _ in late}),
    )


def _became_late(settings: Settings) -> list[Flag]:
    """Customer and day on which an item passed the bar while it was open."""
    return ask(  # type: ignore[return-value]
        settings,
        f"""SELECT customer_id, due_date + {LATE_DAYS + 1} AS happened FROM erp.receivables
            WHERE cleared_date > due_date + {LATE_DAYS}
              AND due_date + {LATE_DAYS + 1} BETWEEN DATE '{FIRST}' AND DATE '{month_end(LAST)}' ORDER BY ALL""",
    )


def _flagged(settings: Settings) -> dict[str, list[Flag]]:
    """By rule, who is flagged on which month end; each looked at as a nightly run would have."""
    found: dict[str, list[Flag]] = {rule: [] for rule in RULES}
    for day in _month_ends():
        stages.rate_stage(settings, day)
        for rule, condition in RULES.items():
            rows = ask(settings, f"SELECT customer_id FROM rated.credit_watch WHERE {condition} ORDER BY 1")
            found[rule] += [(str(customer), day) for (customer,) in rows]
    return found


def _month_ends() -> Iterator[date]:
    """From the month before the first to the last one in which something can still follow."""
    return (month_end(month) for month in months_between(months_before(FIRST, 1), months_before(LAST, 1)))


def _policies(settings: Settings) -> dict[str, str]:
    """The default policy as it is, and with its bar of what is material brought down to the size of this ledger."""
    default = rate.default_policy()
    policy = rate.parse_policy(default)
    ((high,),) = ask(
        settings,
        f"""SELECT quantile_disc(billed, 0.8) FROM (
                SELECT customer_id, sum(original_amount_company) AS billed FROM erp.receivables
                WHERE posting_date < DATE '{FIRST}' GROUP BY 1)""",
    )
    material = round(policy.credit.material_amount * high / policy.segments.volume_high_from)  # type: ignore[operator]
    as_shipped = f"material_amount = {policy.credit.material_amount}"
    return {
        f"default policy as shipped ({as_shipped})": default,
        f"default policy, material_amount = {material}: as far below the top fifth's billing of the year before as there": (
            default.replace(as_shipped, f"material_amount = {material}")
        ),
    }


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


if __name__ == "__main__":
    main()
