"""A database as Odoo 18 has it, with as much of it as the source `odoo` reads, holding the golden extract's company."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.databases.servers import Postgres, insert

GOLDEN = Path(__file__).parents[1] / "golden" / "odoo"
BOOKED = "2026-01-31 12:00:00"

TABLES = (
    "res_country (id integer PRIMARY KEY, code varchar)",
    "res_country_state (id integer PRIMARY KEY, country_id integer, code varchar)",
    "res_currency (id integer PRIMARY KEY, name varchar, symbol varchar, active boolean)",
    "res_company (id integer PRIMARY KEY, name varchar, partner_id integer, currency_id integer)",
    """res_partner (id integer PRIMARY KEY, name varchar, commercial_partner_id integer, parent_id integer,
       country_id integer, state_id integer, industry_id integer, customer_rank integer, active boolean,
       credit_limit jsonb, property_payment_term_id jsonb, create_date timestamp)""",
    "account_payment_term_line (id integer PRIMARY KEY, payment_id integer, nb_days integer)",
    "uom_uom (id integer PRIMARY KEY, name jsonb, factor numeric)",
    "product_category (id integer PRIMARY KEY, complete_name varchar)",
    """product_template (id integer PRIMARY KEY, name jsonb, categ_id integer, uom_id integer, type varchar)""",
    """product_product (id integer PRIMARY KEY, product_tmpl_id integer, default_code varchar, active boolean,
       standard_price jsonb)""",
    "account_account (id integer PRIMARY KEY, account_type varchar)",
    """account_move (id serial PRIMARY KEY, name varchar, move_type varchar, state varchar, posted_before boolean,
       company_id integer, commercial_partner_id integer, partner_shipping_id integer, invoice_date date,
       invoice_user_id integer, reversed_entry_id integer, origin_payment_id integer, write_date timestamp)""",
    """account_move_line (id serial PRIMARY KEY, move_id integer, company_id integer, account_id integer,
       partner_id integer, display_type varchar, product_id integer, product_uom_id integer, quantity numeric,
       currency_id integer, amount_currency numeric, balance numeric, amount_residual_currency numeric, amount_residual numeric, date date,
       date_maturity date, cogs_origin_id integer, write_date timestamp)""",
    """account_partial_reconcile (id serial PRIMARY KEY, company_id integer, debit_move_id integer,
       credit_move_id integer, amount numeric, debit_amount_currency numeric, credit_amount_currency numeric,
       max_date date, write_date timestamp)""",
    "sale_order_line (id integer PRIMARY KEY, purchase_price numeric)",
    "sale_order_line_invoice_rel (invoice_line_id integer, order_line_id integer)",
)


def extract(name: str) -> list[dict[str, str]]:
    """One file of the golden extract."""
    with (GOLDEN / "extract" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def build(database: Postgres) -> None:
    """Create the tables and fill them."""
    database.execute(*(f"CREATE TABLE {table}" for table in TABLES))
    partners, companies = extract("res_partner"), extract("res_company")
    places = sorted({(row["country_code"], row["state_code"]) for row in (*partners,) if row["country_code"]})
    countries = {
        code: number
        for number, code in enumerate(
            sorted({c["country_code"] for c in companies} | {code for code, _ in places}), 1
        )
    }
    states = {place: number for number, place in enumerate([place for place in places if place[1]], 1)}
    terms = sorted({row["payment_term_days"] for row in partners if row["payment_term_days"]})
    company_of = {row["id"]: row["company_id"] for row in extract("account_move")}
    json_of = {"uom_uom": "name", "product_template": "name"}

    def fill(table: str, rows: list[dict[str, str]]) -> None:
        wanted = json_of.get(table)
        for row in rows:
            if wanted and not row[wanted].startswith("{"):
                row[wanted] = f'{{"en_US": "{row[wanted]}"}}'
        database.execute(insert(table, list(rows[0]), [list(row.values()) for row in rows]))

    fill("res_country", [{"id": str(number), "code": code} for code, number in countries.items()])
    fill(
        "res_country_state",
        [
            {"id": str(number), "country_id": str(countries[c]), "code": s}
            for (c, s), number in states.items()
        ],
    )
    fill("account_payment_term_line", [{"id": days, "payment_id": days, "nb_days": days} for days in terms])
    for row in partners:
        country, state = row.pop("country_code"), row.pop("state_code")
        row["country_id"] = str(countries.get(country, ""))
        row["state_id"] = str(states.get((country, state), ""))
        limited = row.pop("use_partner_credit_limit") == "t" and row["credit_limit"]
        row["credit_limit"] = f'{{"1": {row["credit_limit"]}}}' if limited else ""
        days = row.pop("payment_term_days")
        row["property_payment_term_id"] = f'{{"1": {days}}}' if days else ""
    for row in companies:
        del row["country_code"], row["is_own"]
    products = extract("product_product")
    for row in products:
        row["standard_price"] = f'{{"1": {row["standard_price"]}}}' if row["standard_price"] else ""
    moves, lines, reconciles = (
        extract(name) for name in ("account_move", "account_move_line", "account_partial_reconcile")
    )
    for row in (*moves, *lines, *reconciles):
        row["write_date"] = BOOKED
    for row in lines:
        row["company_id"] = company_of[row["move_id"]]
    for row in reconciles:
        row["company_id"] = "1"
    fill("res_company", companies)
    fill("res_partner", partners)
    fill("product_product", products)
    fill("account_move", moves)
    fill("account_move_line", lines)
    fill("account_partial_reconcile", reconciles)
    for name in ("res_currency", "uom_uom", "product_category", "product_template", "account_account",
                 "sale_order_line", "sale_order_line_invoice_rel"):  # fmt: skip
        fill(name, extract(name))
    for table in ("account_move", "account_move_line", "account_partial_reconcile"):
        database.execute(f"ALTER SEQUENCE {table}_id_seq RESTART WITH 100000")
