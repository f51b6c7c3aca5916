"""The stories are really in the files: recomputed from the landed texts with DuckDB, by no code of the project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.unit.flows.demo_inbox import Inbox, land

# Sales by line: cancelled documents (the latest delivery says so), their twins, intercompany and dirty lines left out.
PREPARED = """
CREATE TABLE head AS
    SELECT VBELN, arg_max(FKART, file) AS kind, max(FKSTO) IS NOT NULL AS cancelled, arg_max(VGBEL, file) AS refers
    FROM VBRK WHERE VBELN < '0099' GROUP BY 1;
CREATE TABLE line AS
    SELECT DISTINCT VBELN AS document, KUNAG AS customer, day(FKDAT) AS billed, MATNR AS product,
           number(FKLMG) AS pieces, number(NETWR) AS net, number(WAVWR) AS cost, number(FRACHT) AS freight,
           number(BONUS) AS bonus, PSTYV = 'TANN' AS free, BZIRK AS ship_to, kind, POSNR
    FROM VBRP JOIN head USING (VBELN) WHERE NOT cancelled AND kind NOT IN ('S1', 'IV');
CREATE TABLE sale AS
    SELECT customer, CAST(date_trunc('month', billed) AS DATE) AS month, sum(net) AS net,
           count(DISTINCT document) FILTER (kind = 'F2') AS orders
    FROM line GROUP BY ALL;
CREATE TABLE master AS
    SELECT KUNNR AS customer, arg_max(COLUMNS(* EXCLUDE (KUNNR, file)), file) AS "\\0" FROM KNA1 GROUP BY 1;
CREATE TABLE item AS
    WITH report AS (
        SELECT coalesce(Belegnummer, Document) AS item, coalesce(Debitor, Customer) AS customer,
               coalesce(Rechnung, Invoice) AS document, day(coalesce(Buchungsdatum, Posted)) AS posted,
               day(coalesce("Fällig am", Due)) AS due, number(coalesce(Betrag, Amount)) AS amount,
               day(coalesce(Ausgleichsdatum, Cleared)) AS cleared, file FROM OPOS)
    SELECT item, arg_max(COLUMNS(* EXCLUDE (item, file)), file) AS "\\0" FROM report GROUP BY 1;
CREATE TABLE sighting AS
    SELECT '0000' || "Account" AS customer, '0000' || "Product" AS product, CAST("Observed on" AS DATE) AS seen,
           "Found in" AS territory, CAST("Resale price" AS DECIMAL(18, 2)) AS price, "Confirmed" = 'yes' AS confirmed
    FROM OBSERVATIONS;
CREATE TABLE floor AS
    SELECT '0000' || "Product" AS product, "Channel" AS channel, CAST("Valid from" AS DATE) AS valid_from,
           coalesce(CAST(arg_max("Valid to", file) AS DATE), DATE '9999-12-31') AS valid_to,
           CAST(arg_max("Floor", file) AS DECIMAL(18, 2)) AS price FROM PRICE_FLOORS GROUP BY ALL;
"""
CHANNEL = "CASE VTWEG WHEN '10' THEN 'direct' WHEN '20' THEN 'distribution' ELSE 'export' END"


@dataclass(frozen=True)
class Files:
    """The landed files as tables, and the customers with a story."""

    inbox: Inbox
    connection: duckdb.DuckDBPyConnection

    def who(self, role: str) -> str:
        return self.inbox.world.planted[role].customer_id

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(values)).fetchall()

    def one(self, sql: str, *values: object) -> Any:
        return self.rows(sql, *values)[0][0]

    def yearly(self, role: str, years_ago: int = 0) -> Decimal:
        """Net sales of twelve months ending at the last month, or as many years before."""
        return self.one(
            """SELECT coalesce(sum(net), 0) FROM sale WHERE customer = $1 AND month BETWEEN
               DATE '2024-07-01' - to_years($2::INTEGER) AND DATE '2025-06-01' - to_years($2::INTEGER)""",
            self.who(role),
            years_ago,
        )

    def months_with_orders(self, role: str) -> int:
        """In the last twelve months."""
        return self.one(
            "SELECT count(*) FILTER (orders > 0) FROM sale WHERE customer = $1 AND month >= DATE '2024-07-01'",
            self.who(role),
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    inbox = land(tmp_path_factory.mktemp("inbox"), customers=400)
    connection = inbox.connect()
    connection.execute(PREPARED)
    yield Files(inbox, connection)
    connection.close()


def test_the_company_is_heavy_tailed(files: Files) -> None:
    median, high, largest, lines = files.rows(
        """WITH year AS (SELECT customer, sum(net) AS net FROM sale WHERE month >= DATE '2024-07-01' GROUP BY 1)
           SELECT median(net), count(*) FILTER (net >= 150000) / count(*), max(net), (SELECT count(*) FROM line) FROM year"""
    )[0]
    assert 25_000 <= median <= 60_000
    assert 0.1 <= high <= 0.25
    assert largest <= 3_000_000
    assert 55_000 <= lines <= 95_000


def test_gross_margins_lie_where_the_policy_expects_them(files: Files) -> None:
    low, middle, high = files.one(
        """WITH margin AS (SELECT customer, 1 - sum(cost) / sum(net) AS share FROM line
                           WHERE cost IS NOT NULL GROUP BY 1 HAVING sum(net) > 5000)
           SELECT quantile_cont(share, [0.05, 0.5, 0.95]) FROM margin"""
    )
    assert 0.18 <= low < middle < high <= 0.37


def test_one_line_in_twenty_has_no_cost_of_its_own(files: Files) -> None:
    assert 0.04 <= files.one("SELECT count(*) FILTER (cost IS NULL) / count(*) FROM line") <= 0.06


def test_there_are_returns_free_goods_cancellations_freight_and_rebates(files: Files) -> None:
    linked, unlinked, free, freight, bonus = files.rows(
        """SELECT count(*) FILTER (line.kind = 'G2' AND refers IS NOT NULL),
                  count(*) FILTER (line.kind = 'G2' AND refers IS NULL),
                  count(*) FILTER (free AND net = 0 AND cost > 0), sum(freight), sum(bonus)
           FROM line JOIN head ON VBELN = document"""
    )[0]
    assert linked > 5 * unlinked > 0
    assert free > 100
    assert freight > bonus > 0
    cancelled = files.one("SELECT count(*) FROM head WHERE cancelled")
    assert cancelled == files.one("SELECT count(*) FROM head WHERE kind = 'S1'") > 20


def test_a_credit_note_returns_goods_of_the_invoice_it_names(files: Files) -> None:
    wrong = files.one(
        """SELECT count(*) FROM line AS note JOIN head ON VBELN = note.document AND refers IS NOT NULL
           WHERE note.kind = 'G2' AND NOT EXISTS (
               FROM line AS sold WHERE sold.document = refers AND sold.customer = note.customer
               AND sold.product = note.product AND sold.billed < note.billed AND -note.pieces <= sold.pieces)"""
    )
    assert wrong == 0


def test_a_cancelling_document_takes_back_the_whole_invoice(files: Files) -> None:
    left = files.one(
        """WITH total AS (SELECT VBELN, sum(number(NETWR)) AS net
                          FROM (SELECT DISTINCT ON (VBELN, POSNR) VBELN, NETWR FROM VBRP WHERE VBELN < '0099') GROUP BY 1)
           SELECT count(*) FROM head AS twin JOIN total AS took ON took.VBELN = twin.VBELN
           JOIN total AS sold ON sold.VBELN = twin.refers WHERE twin.kind = 'S1' AND took.net + sold.net <> 0"""
    )
    assert left == 0


def test_what_is_owed_is_the_document_with_tax(files: Files) -> None:
    wrong = files.one(
        """WITH net AS (SELECT document, customer, sum(net) AS net FROM line GROUP BY ALL)
           SELECT count(*) FROM item JOIN net USING (document) JOIN master ON master.customer = item.customer
           WHERE abs(amount - net * CASE VTWEG WHEN '30' THEN 1 ELSE 1.19 END) > 0.01"""  # half a cent of rounding
    )
    assert wrong == 0


def test_payments_equal_what_they_settle(files: Files) -> None:
    wrong = files.one(
        """SELECT count(*) FROM (SELECT Zahlung, sum(number(Betrag)) AS settled FROM ZUOR GROUP BY 1)
           FULL JOIN (SELECT Zahlung, number(Betrag) AS paid FROM ZAHL) USING (Zahlung) WHERE settled IS DISTINCT FROM paid"""
    )
    assert wrong == 0


def test_nobody_pays_more_than_is_owed(files: Files) -> None:
    wrong = files.one(
        """SELECT count(*) FROM (SELECT Belegnummer AS item, sum(number(Betrag)) AS paid FROM ZUOR GROUP BY 1)
           JOIN item USING (item) WHERE paid > amount"""
    )
    assert wrong == 0


def test_an_item_is_settled_by_its_last_payment(files: Files) -> None:
    wrong = files.one(
        """SELECT count(*) FROM (SELECT Belegnummer AS item, max(day(Datum)) AS paid FROM ZUOR GROUP BY 1)
           JOIN item USING (item) WHERE cleared IS NOT NULL AND cleared <> paid"""
    )
    assert wrong == 0


def test_the_strategic_partner_is_large_every_month_and_speaks_to_us(files: Files) -> None:
    assert files.yearly("strategic_partner") > 1_000_000
    assert files.months_with_orders("strategic_partner") == 12
    told = files.one(
        """SELECT count(DISTINCT date_trunc('month', CAST("Start" AS DATE))) FROM ACTIVITIES
           WHERE '0000' || "Account" = $1 AND "Feedback" = 'yes'""",
        files.who("strategic_partner"),
    )
    assert told == 36


def test_the_diverter_buys_much_in_few_months_and_ships_elsewhere(files: Files) -> None:
    who = files.who("diverting_speculator")
    assert files.yearly("diverting_speculator") > 300_000
    assert files.yearly("diverting_speculator") > Decimal("1.8") * files.yearly("diverting_speculator", 2)
    assert files.months_with_orders("diverting_speculator") <= 5
    outside = "SELECT count(*) FILTER (ship_to <> BZIRK) / count(*) FROM line JOIN master USING (customer) WHERE customer = $1"
    assert files.one(f"{outside} AND billed < DATE '2024-04-01'", who) == 0
    assert files.one(f"{outside} AND billed >= DATE '2024-05-01'", who) > 0.4


def out_of_territory(files: Files) -> dict[str, tuple[int, int]]:
    """By customer: confirmed sightings, and how many of them outside its territory."""
    found = files.rows(
        """SELECT customer, count(*), count(*) FILTER (sighting.territory NOT IN (
               SELECT "Territory" FROM TERRITORIES WHERE '0000' || "Account" = customer))
           FROM sighting WHERE confirmed GROUP BY 1"""
    )
    return {customer: (seen, outside) for customer, seen, outside in found}


def test_only_the_diverter_s_goods_are_found_outside_its_territory(files: Files) -> None:
    found = out_of_territory(files)
    seen, outside = found.pop(files.who("diverting_speculator"))
    assert outside >= 20
    assert outside / seen > 0.7
    assert all(others == 0 for _, others in found.values())


def test_the_diverted_goods_turn_up_where_the_neighbour_shrinks(files: Files) -> None:
    (territory,) = files.rows(
        "SELECT DISTINCT territory FROM sighting WHERE customer = $1 AND territory <> (SELECT BZIRK FROM master WHERE customer = $1)",
        files.who("diverting_speculator"),
    )
    assert files.rows(
        'SELECT "Territory" FROM TERRITORIES WHERE \'0000\' || "Account" = $1',
        files.who("undercut_neighbour"),
    ) == [territory]
    assert files.yearly("undercut_neighbour") < Decimal("0.75") * files.yearly("undercut_neighbour", 2)


def below_floor(files: Files) -> dict[str, int]:
    """By customer: confirmed sightings more than 5 % below the floor of the customer's channel."""
    return dict(
        files.rows(
            f"""SELECT sighting.customer, count(*) FILTER (sighting.price < 0.95 * floor.price) AS below
                FROM sighting JOIN master USING (customer) JOIN floor ON floor.product = sighting.product
                 AND floor.channel = {CHANNEL} AND seen BETWEEN valid_from AND valid_to
                WHERE confirmed GROUP BY 1 HAVING below > 0"""
        )
    )


def test_only_the_dumper_s_goods_are_offered_below_the_floor(files: Files) -> None:
    found = below_floor(files)
    assert found.pop(files.who("dumper")) >= 20
    assert found == {}


def test_only_the_giant_buys_below_our_own_floor(files: Files) -> None:
    customers = files.rows(
        f"""SELECT DISTINCT line.customer FROM line JOIN master USING (customer) JOIN floor USING (product)
            WHERE kind = 'F2' AND NOT free AND channel = {CHANNEL} AND billed BETWEEN valid_from AND valid_to
              AND net < floor.price * pieces"""
    )
    assert customers == [(files.who("loss_making_giant"),)]


def past_due(files: Files, days: int, on: str) -> dict[str, Decimal]:
    """By customer: what is open on a day and more than so many days past due."""
    return dict(
        files.rows(
            """SELECT customer, sum(amount) FROM item WHERE posted <= $1::DATE AND (cleared IS NULL OR cleared > $1::DATE)
               AND $1::DATE - due > $2 AND amount > 0 GROUP BY 1""",
            on,
            days,
        )
    )


def test_only_the_arrears_customer_is_ever_more_than_ninety_days_past_due(files: Files) -> None:
    since = files.inbox.world.planted["arrears"].since
    for month in files.inbox.world.months:
        late = past_due(files, 90, f"{month:%Y-%m}-28")
        assert set(late) <= {files.who("arrears")}
        assert bool(late) == (month >= since)
    assert past_due(files, 90, "2025-06-30")[files.who("arrears")] > 20_000


def test_the_arrears_customer_was_chronically_late_long_before(files: Files) -> None:
    late = files.one(
        """SELECT sum(amount * (cleared - due)) / sum(amount) FROM item
           WHERE customer = $1 AND amount > 0 AND cleared BETWEEN DATE '2024-01-01' AND DATE '2024-10-31'""",
        files.who("arrears"),
    )
    assert 40 <= late <= 60


@pytest.mark.parametrize("role", ["late_payer_small", "late_payer_middle", "late_payer_large"])
def test_a_late_payer_is_late_by_days_and_always_pays(files: Files, role: str) -> None:
    mean, worst = files.rows(
        """SELECT sum(amount * (coalesce(cleared, DATE '2025-06-30') - due)) / sum(amount),
                  max(coalesce(cleared, DATE '2025-06-30') - due)
           FROM item WHERE customer = $1 AND amount > 0""",
        files.who(role),
    )[0]
    assert 8 <= mean <= 16
    assert worst <= 60


@pytest.mark.parametrize("number", range(1, 7))
def test_a_loyal_grower_comes_from_below_the_threshold_and_ends_above(files: Files, number: int) -> None:
    role = f"loyal_grower_{number}"
    assert files.yearly(role, 2) < 150_000
    assert files.yearly(role) > 157_500  # the threshold and the margin of 5 % that a move up takes
    assert files.months_with_orders(role) == 12


def test_the_giant_sells_most_and_loses_money(files: Files) -> None:
    net, left = files.rows(
        "SELECT sum(net), sum(net - cost - freight - bonus) FROM line WHERE customer = $1 AND billed >= DATE '2024-07-01'",
        files.who("loss_making_giant"),
    )[0]
    assert net > 1_500_000
    assert left < -50_000


def test_the_seasonal_buyer_sells_in_spring(files: Files) -> None:
    spring = files.one(
        "SELECT sum(net) FILTER (month(month) IN (3, 4, 5, 6, 7)) / sum(net) FROM sale WHERE customer = $1",
        files.who("seasonal_buyer"),
    )
    assert spring > 0.75
    assert files.yearly("seasonal_buyer") > 200_000
    assert files.one("SELECT count(*) FROM master WHERE BRSCH = 'GARTEN'") >= 10  # a season needs peers


def test_the_newcomer_first_orders_in_the_third_month_from_the_end(files: Files) -> None:
    first = files.one("SELECT min(month)::VARCHAR FROM sale WHERE customer = $1", files.who("newcomer"))
    assert first == "2025-04-01"
    created = files.one("SELECT day(ERDAT)::VARCHAR FROM master WHERE customer = $1", files.who("newcomer"))
    assert created == "2025-04-01"


def test_the_lapsing_customer_was_core_and_orders_no_more(files: Files) -> None:
    assert files.yearly("lapsing_core", 2) > 250_000
    assert files.yearly("lapsing_core") < 100_000
    assert (
        files.one("SELECT max(month)::VARCHAR FROM sale WHERE customer = $1", files.who("lapsing_core"))
        <= "2025-01-01"
    )


def test_two_customers_are_one_group(files: Files) -> None:
    members = files.rows("SELECT customer FROM master WHERE KONZS IS NOT NULL ORDER BY 1")
    assert members == [(files.who("group_parent"),), (files.who("group_subsidiary"),)]


def test_the_import_substitute_pays_twice_our_price_abroad(files: Files) -> None:
    rows = files.rows(
        """SELECT DISTINCT '0000' || "Account", CAST("Current price" AS DECIMAL) * CAST("Quantity" AS INTEGER)
                  / CAST("Amount" AS DECIMAL) FROM DEMAND WHERE "Supplied by" = 'import'"""
    )
    assert rows == [(files.who("import_substitute"), pytest.approx(2, abs=0.05))]  # our price has cents


def test_one_customer_is_held_up_by_decision_with_owner_reason_and_end(files: Files) -> None:
    ((customer, tier, owner, reason, valid_to),) = files.rows(
        """SELECT '0000' || "Account", "Tier", "Owner", "Reason", "Valid to" FROM OVERRIDES"""
    )
    assert (customer, tier) == (files.who("overridden"), "cultivate")
    assert owner
    assert reason
    assert "2025-06-30" < valid_to <= "2026-02-28"


def test_the_affiliate_buys_by_intercompany_documents_only(files: Files) -> None:
    kinds = files.rows(
        """SELECT KUNAG, count(*) FROM VBRP JOIN head USING (VBELN)
           WHERE KUNAG = $1 OR kind = 'IV' GROUP BY ALL""",
        files.who("affiliate"),
    )
    assert [customer for customer, _ in kinds] == [files.who("affiliate")]
    assert files.yearly("affiliate") == 0
