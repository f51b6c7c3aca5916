"""A small company with a report: a year and a half of sales, receivables, a name that is a script, and ids that are paths."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from expectations.gate import Gate
from flows.pipeline import stages
from flows.settings import Settings
from tests.flows.small_company import customer, item, land, line, load, settings_of
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end

LAST = date(2024, 12, 1)
MONTHS = [months_before(LAST, back) for back in range(17, -1, -1)]
SCRIPT = "<script>document.title = 'broken into'</script> & <b>Söhne</b>"
PATH_ID = '../A/B"C'

# Net sales of a month; the last customer is known and never bought.
BUYERS: dict[str, tuple[int, ...]] = {
    "GIANT": (60_000,) * 18,
    "GROWS": tuple(1_000 * 2 ** (month // 3) for month in range(18)),
    "STOPS": (30_000,) * 10 + (0,) * 8,
    "OWES": (25_000,) * 18,
    "LOYAL": (900, 1_100) * 9,
    PATH_ID: (40_000,) * 18,
    "SILENT": (0,) * 18,
}
LOSING = "LOYAL"


def publish(home: Path) -> Settings:
    """Land, load, rate two months, publish, and make the report."""
    settings = settings_of(home)
    sold = [
        line(f"{buyer}-{month:%Y%m}", buyer, month.replace(day=10), amount, **_cost(buyer, amount))
        for buyer, amounts in BUYERS.items()
        for month, amount in zip(MONTHS, amounts, strict=True)
        if amount
    ]
    owed = [
        item(f"I-{buyer}-{month:%Y%m}", buyer, month.replace(day=10), month_end(month), 25_000)
        for buyer in ("OWES", PATH_ID)
        for month in MONTHS[8:]
    ]
    extract = {
        "customers": [
            customer(
                buyer, name=SCRIPT if buyer == "OWES" else f"Customer {buyer} 客户", created_on=MONTHS[0]
            )
            for buyer in BUYERS
        ],
        "invoice_lines": sold,
        "receivables": owed,
    }
    land(settings, extract, taken=date(2025, 1, 1), sequence=1)
    load(settings, Gate())
    for month in (months_before(LAST, 1), LAST):
        stages.rate_stage(settings, month_end(month))
    stages.publish_stage(settings)
    stages.report_stage(settings)
    return settings


def _cost(buyer: str, amount: int) -> dict[str, object]:
    return {"cost_amount_company": amount * 2} if buyer == LOSING else {}
