"""Somebody who works in the ERP while it is read: seeded transactions, some of them long, on the ERP's own clock.

A step takes a minute of that clock. A transaction stamps its rows when it begins, and may be committed up to half an hour
later, while others that began after it are long there: just what a lag is for.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.databases.servers import MariaDb, Postgres, insert

LONGEST = 30  # steps that a transaction may stay open


class Writer(threading.Thread):
    """Steps one after the other until it is stopped; `step` does one, for tests that want to say when."""

    def __init__(self, database: Postgres | MariaDb, seed: int) -> None:
        super().__init__(daemon=True)
        self.database = database.another()
        self.late = database.another()
        self.chance = random.Random(seed)
        self.now = datetime(2026, 2, 1, 8)
        self.steps = 0
        self.late_until: int | None = None
        self.stopping = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Work until told to stop; what goes wrong is kept for the test."""
        try:
            while not self.stopping.wait(0.05):
                self.step()
        except Exception as error:  # noqa: BLE001 - told by `stop`
            self.error = error

    def stop(self) -> None:
        """End the work with everything committed."""
        self.stopping.set()
        try:
            if self.is_alive():
                self.join(timeout=60)
            if self.error:
                raise self.error
            self.commit_late()
        finally:
            self.database.close()
            self.late.close()

    def step(self) -> None:
        """One transaction, and now and then one that stays open."""
        self.steps += 1
        self.now += timedelta(minutes=1)
        if self.late_until is None and self.chance.random() < 0.2:
            self.begin_late(self.chance.randint(2, LONGEST))
        elif self.late_until is not None and self.steps >= self.late_until:
            self.commit_late()
        self.chance.choice(self.kinds())(self.database)

    def begin_late(self, steps: int) -> None:
        """Write a document in a transaction that stays open for some steps."""
        self.late.execute("START TRANSACTION")
        self.invoice(self.late)
        self.late_until = self.steps + steps

    def commit_late(self) -> None:
        """Commit it."""
        if self.late_until is not None:
            self.late.execute("COMMIT")
            self.late_until = None

    def together(self, database: Postgres | MariaDb, *statements: str) -> None:
        """Several statements in one transaction: one of their own, or the late one's."""
        if database is self.late:
            database.execute(*statements)
        else:
            database.execute("START TRANSACTION", *statements, "COMMIT")

    def kinds(self) -> list[Callable[[Postgres | MariaDb], None]]:
        """What a step may be."""
        raise NotImplementedError

    def invoice(self, database: Postgres | MariaDb) -> None:
        """A new document."""
        raise NotImplementedError


class OdooWriter(Writer):
    """Bookings in Odoo."""

    number = 0

    def kinds(self) -> list[Callable[[Postgres | MariaDb], None]]:
        return [self.invoice, self.invoice, self.reprice, self.cancel, self.pay, self.undo, self.rename]

    def invoice(self, database: Postgres | MariaDb) -> None:
        self.number += 1
        move = 200_000 + self.number
        line = 2_000_000 + 10 * self.number
        partner = self.chance.choice([41, 50, 51])
        amounts = [f"{self.chance.randint(1, 10**7)}.{self.chance.randint(0, 99):02}" for _ in range(2)]
        total = sum(int(amount.replace(".", "")) for amount in amounts)
        stamp, day = self.now, self.now.date()
        rows = [
            (
                line + n,
                move,
                1,
                20,
                partner,
                "product",
                700,
                1,
                n + 1,
                125,
                f"-{amount}",
                f"-{amount}",
                0,
                day,
                None,
                stamp,
            )
            for n, amount in enumerate(amounts)
        ]
        owed = f"{total // 100}.{total % 100:02}"
        rows.append(
            (
                line + 5,
                move,
                1,
                10,
                partner,
                "payment_term",
                None,
                None,
                0,
                125,
                owed,
                owed,
                owed,
                day,
                day,
                stamp,
            )
        )
        self.together(
            database,
            insert(
                "account_move",
                ("id", "name", "move_type", "state", "posted_before", "company_id", "commercial_partner_id",
                 "partner_shipping_id", "invoice_date", "write_date"),
                [(move, f"INV/2026/{move}", "out_invoice", "posted", "t", 1, partner, partner, day, stamp)],
            ),
            insert(
                "account_move_line",
                ("id", "move_id", "company_id", "account_id", "partner_id", "display_type", "product_id",
                 "product_uom_id", "quantity", "currency_id", "amount_currency", "balance", "amount_residual_currency",
                 "date", "date_maturity", "write_date"),
                rows,
            ),
        )  # fmt: skip

    def _any(self, table: str, condition: str = "true") -> int | None:
        rows = self.database.rows(f"SELECT id FROM {table} WHERE id >= 100000 AND {condition} ORDER BY id")
        return self.chance.choice(rows)[0] if rows else None

    def reprice(self, database: Postgres | MariaDb) -> None:
        line = self._any("account_move_line", "display_type = 'product'")
        if line is not None:
            database.execute(
                f"""UPDATE account_move_line SET balance = balance - 0.01, amount_currency = amount_currency - 0.01,
                    write_date = '{self.now}' WHERE id = {line}"""
            )

    def cancel(self, database: Postgres | MariaDb) -> None:
        move = self._any("account_move", "state = 'posted'")
        if move is not None:
            database.execute(
                f"UPDATE account_move SET state = 'cancel', write_date = '{self.now}' WHERE id = {move}"
            )

    def pay(self, database: Postgres | MariaDb) -> None:
        line = self._any("account_move_line", "account_id = 10 AND amount_residual_currency > 0")
        if line is not None:
            self.number += 1
            self.together(
                database,
                f"""INSERT INTO account_partial_reconcile (id, company_id, debit_move_id, credit_move_id, amount,
                        debit_amount_currency, credit_amount_currency, max_date, write_date)
                    SELECT {300_000 + self.number}, 1, id, 5096, amount_residual_currency, amount_residual_currency,
                           amount_residual_currency, '{self.now.date()}', '{self.now}'
                    FROM account_move_line WHERE id = {line}""",
                f"UPDATE account_move_line SET amount_residual_currency = 0, write_date = '{self.now}' WHERE id = {line}",
            )

    def undo(self, database: Postgres | MariaDb) -> None:
        reconcile = self._any("account_partial_reconcile")
        if reconcile is not None and self.chance.random() < 0.5:
            self.together(
                database,
                f"""UPDATE account_move_line SET amount_residual_currency = r.debit_amount_currency,
                        write_date = '{self.now}'
                    FROM account_partial_reconcile AS r WHERE r.id = {reconcile} AND r.debit_move_id = account_move_line.id""",
                f"DELETE FROM account_partial_reconcile WHERE id = {reconcile}",
            )

    def rename(self, database: Postgres | MariaDb) -> None:
        database.execute(f"UPDATE res_partner SET name = 'Käserei no. {self.steps}' WHERE id = 41")


class ErpnextWriter(Writer):
    """Bookings in ERPNext."""

    number = 0
    company = "Rhein Papier GmbH"

    def kinds(self) -> list[Callable[[Postgres | MariaDb], None]]:
        return [self.invoice, self.invoice, self.cancel, self.pay, self.rename]

    def invoice(self, database: Postgres | MariaDb) -> None:
        self.number += 1
        name, day, stamp = f"ACC-SINV-2026-{10_000 + self.number}", self.now.date(), self.now
        customer = self.chance.choice(["CUST-0007", "CUST-0008", "Lumen Books Ltd"])
        amount = f"{self.chance.randint(1, 10**8)}.{self.chance.randint(0, 9999):04}"
        self.together(
            database,
            insert(
                "`tabSales Invoice`",
                ("name", "creation", "modified", "docstatus", "company", "customer", "posting_date", "currency",
                 "is_return", "is_debit_note", "is_internal_customer", "is_opening", "territory"),
                [(name, stamp, stamp, 1, self.company, customer, day, "EUR", 0, 0, 0, "No", "Baden")],
            ),
            insert(
                "`tabSales Invoice Item`",
                ("name", "parent", "modified", "item_code", "qty", "uom", "stock_qty", "net_amount", "base_net_amount",
                 "incoming_rate", "is_free_item"),
                [(f"{name}-1", name, stamp, "PAP-080-A4", "1.500000001", "Box", "7.5", amount, amount, "2.15", 0)],
            ),
            self._entry(name, customer, "Sales Invoice", name, amount),
        )  # fmt: skip

    def _entry(self, against: str, customer: str, voucher_type: str, voucher: str, amount: str) -> str:
        self.number += 1
        return insert(
            "`tabPayment Ledger Entry`",
            ("name", "modified", "posting_date", "company", "account_type", "party_type", "party", "due_date",
             "voucher_type", "voucher_no", "against_voucher_type", "against_voucher_no", "amount", "account_currency",
             "amount_in_account_currency", "delinked"),
            [(f"e{self.number:09}", self.now, self.now.date(), self.company, "Receivable", "Customer", customer,
              self.now.date(), voucher_type, voucher, "Sales Invoice", against, amount, "EUR", amount, 0)],
        )  # fmt: skip

    def _any(self) -> tuple[str, str] | None:
        rows = self.database.rows(
            """SELECT name, customer FROM `tabSales Invoice` WHERE name > 'ACC-SINV-2026-1' AND docstatus = 1
               ORDER BY name"""
        )
        return self.chance.choice(rows) if rows else None

    def cancel(self, database: Postgres | MariaDb) -> None:
        found = self._any()
        if found:
            self.together(
                database,
                f"UPDATE `tabSales Invoice` SET docstatus = 2, modified = '{self.now}' WHERE name = '{found[0]}'",
                f"UPDATE `tabPayment Ledger Entry` SET delinked = 1 WHERE against_voucher_no = '{found[0]}'",
            )

    def pay(self, database: Postgres | MariaDb) -> None:
        found = self._any()
        if found:
            self.number += 1
            database.execute(
                self._entry(
                    found[0], found[1], "Payment Entry", f"ACC-PAY-{self.number}", f"-{self.number}.01"
                )
            )

    def rename(self, database: Postgres | MariaDb) -> None:
        database.execute(
            f"UPDATE `tabCustomer` SET customer_name = '纸 no. {self.steps}' WHERE name = 'CUST-0007'"
        )
