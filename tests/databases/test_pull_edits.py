"""Documents are edited between pulls, lines of them deleted, whole ones withdrawn: the warehouse ends as the ERP stands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.databases.pulling import Puller, reach
from tests.databases.servers import MariaDb, Postgres, insert, own_postgres
from tests.databases.test_pull_while_written import SHOPS, assert_equal_to_the_source
from tests.databases.writers import ErpnextWriter, OdooWriter, Writer
from tests.warehouse.making import PROFILE, write_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases.test_pull_while_written import Shop

ROUNDS, STEPS = 4, 12


class OdooEditor(OdooWriter):
    """Besides what a writer does: documents are set to draft, lose or gain a line, are posted again, and deleted."""

    def kinds(self) -> list[Callable[[Postgres | MariaDb], None]]:
        edits = [self.draft, self.drop_line, self.drop_line, self.post_again, self.delete]
        return [*super().kinds(), *edits]

    def _touch(self, move: int, change: str = "") -> str:
        return f"UPDATE account_move SET {change} write_date = '{self.now}' WHERE id = {move}"

    def draft(self, database: Postgres | MariaDb) -> None:
        move = self._any("account_move", "state = 'posted'")
        if move is not None:
            database.execute(self._touch(move, "state = 'draft',"))

    def post_again(self, database: Postgres | MariaDb) -> None:
        move = self._any("account_move", "state <> 'posted'")
        if move is not None:
            database.execute(self._touch(move, f"state = 'posted', name = 'INV/2026/{move}-{self.steps}',"))

    def drop_line(self, database: Postgres | MariaDb) -> None:
        line = self._any("account_move_line", "display_type = 'product'")
        if line is None:
            return
        [(move,)] = self.database.rows(f"SELECT move_id FROM account_move_line WHERE id = {line}")
        self.together(database, f"DELETE FROM account_move_line WHERE id = {line}", self._touch(move))

    def delete(self, database: Postgres | MariaDb) -> None:
        """Only drafts may be; their key alone tells."""
        move = self._any("account_move", "state = 'draft'")
        if move is not None:
            self.together(
                database,
                f"""DELETE FROM account_partial_reconcile
                    WHERE debit_move_id IN (SELECT id FROM account_move_line WHERE move_id = {move})""",
                f"DELETE FROM account_move_line WHERE move_id = {move}",
                f"DELETE FROM account_move WHERE id = {move}",
            )


class ErpnextEditor(ErpnextWriter):
    """Besides what a writer does: documents are drafts again, lose a line, are submitted again, and deleted."""

    def kinds(self) -> list[Callable[[Postgres | MariaDb], None]]:
        edits = [self.draft, self.drop_line, self.drop_line, self.submit_again, self.delete]
        return [*super().kinds(), *edits]

    def invoice(self, database: Postgres | MariaDb) -> None:
        """Of two lines, so that one may be deleted."""
        super().invoice(database)
        database.execute(
            f"""INSERT INTO `tabSales Invoice Item` (name, parent, modified, item_code, qty, uom, stock_qty, net_amount,
                                                     base_net_amount, incoming_rate, is_free_item)
                SELECT concat(parent, '-2'), parent, modified, item_code, qty, uom, stock_qty, 7, 7, incoming_rate, is_free_item
                FROM `tabSales Invoice Item` WHERE name = 'ACC-SINV-2026-{10_000 + self.number - 1}-1'"""
        )

    def _named(self, condition: str) -> str | None:
        rows = self.database.rows(
            f"SELECT name FROM `tabSales Invoice` WHERE name > 'ACC-SINV-2026-1' AND {condition} ORDER BY name"
        )
        return str(self.chance.choice(rows)[0]) if rows else None

    def _touch(self, name: str, change: str = "") -> str:
        return f"UPDATE `tabSales Invoice` SET {change} modified = '{self.now}' WHERE name = '{name}'"

    def draft(self, database: Postgres | MariaDb) -> None:
        name = self._named("docstatus = 1")
        if name:
            database.execute(self._touch(name, "docstatus = 0,"))

    def submit_again(self, database: Postgres | MariaDb) -> None:
        name = self._named("docstatus = 0")
        if name:
            database.execute(self._touch(name, "docstatus = 1,"))

    def drop_line(self, database: Postgres | MariaDb) -> None:
        self.commit_late()  # MariaDB locks every row that a DELETE looks at
        name = self._named("docstatus = 1")
        if name:
            self.together(
                database, f"DELETE FROM `tabSales Invoice Item` WHERE name = '{name}-1'", self._touch(name)
            )

    def delete(self, database: Postgres | MariaDb) -> None:
        self.commit_late()
        name = self._named("docstatus <> 1")
        if name:
            self.together(
                database,
                f"DELETE FROM `tabPayment Ledger Entry` WHERE against_voucher_no = '{name}'",
                f"DELETE FROM `tabSales Invoice Item` WHERE parent = '{name}'",
                f"DELETE FROM `tabSales Invoice` WHERE name = '{name}'",
            )


SHOP = {
    "clock": "SELECT now() AT TIME ZONE 'UTC'",
    "resources": {"LINES": {}},
}
COLUMNS = ("Beleg", "Pos", "Datum", "Kunde", "Menge", "Netto")


def test_a_resource_that_is_read_whole_shows_what_is_gone_though_its_files_are_landed_as_deltas(
    tmp_path: Path,
) -> None:
    assert PROFILE["resources"]["LINES"].get("mode") is None
    folder = write_source(tmp_path / "sources", pull=SHOP)
    (folder / "pull").mkdir()
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    (folder / "pull" / "LINES.sql").write_text(f"SELECT {names} FROM line", encoding="utf-8")
    with own_postgres() as database:
        database.execute("CREATE TABLE line ({})".format(", ".join(f'"{name}" TEXT' for name in COLUMNS)))
        rows = [(f"R{number}", "1", "05.05.2025", "K1", "1", f"{number},00") for number in (1, 2, 3)]
        database.execute(insert("line", [f'"{name}"' for name in COLUMNS], rows))
        puller = Puller(tmp_path / "home", "shop", reach(database, "1"))
        puller.settings = puller.settings.model_copy(update={"sources_path": [tmp_path / "sources"]})
        puller.pull()
        puller.load()
        database.execute("""DELETE FROM line WHERE "Beleg" = 'R2'""")
        puller.pull()
        (outcome,) = puller.load()
    assert [(table.name, table.mode, table.deleted) for table in outcome.tables] == [
        ("invoice_lines", "full_snapshot", 1)
    ]
    assert puller.query("SELECT document_id, deleted_by FROM erp.invoice_lines ORDER BY ALL") == [
        ("R1", None), ("R2", "snapshot"), ("R3", None),
    ]  # fmt: skip


EDITORS: dict[str, type[Writer]] = {"odoo": OdooEditor, "erpnext": ErpnextEditor}


@contextmanager
def edited(source: str) -> Iterator[Shop]:
    with SHOPS[source]() as opened:
        yield replace(opened, writer=EDITORS[source])


@pytest.mark.parametrize("source", EDITORS)
def test_what_was_edited_and_deleted_between_pulls_is_as_the_source_has_it(
    source: str, tmp_path: Path
) -> None:
    with edited(source) as shop:
        puller, writer = shop.puller(tmp_path / "home"), shop.writer(shop.database, seed=20261129)
        try:
            for _ in range(ROUNDS):
                for _ in range(STEPS):
                    writer.step()
                puller.pull()
                puller.load()
            assert isinstance(writer, OdooEditor | ErpnextEditor)
            writer.draft(shop.database)
        finally:
            writer.stop()
        puller.pull(compare_keys=True)
        puller.load()
        causes = {
            cause for (cause,) in puller.query("SELECT deleted_by FROM erp.invoice_lines WHERE is_deleted")
        }
        assert causes >= {"whole_document", "rule"}
        assert_equal_to_the_source(shop, puller, tmp_path)


@pytest.mark.parametrize("source", EDITORS)
def test_a_document_that_was_deleted_stays_until_keys_are_compared(source: str, tmp_path: Path) -> None:
    with edited(source) as shop:
        puller, writer = shop.puller(tmp_path / "home"), shop.writer(shop.database, seed=1)
        try:
            writer.invoice(shop.database)
            puller.pull()
            puller.load()
            assert isinstance(writer, OdooEditor | ErpnextEditor)
            before = puller.table("invoice_lines")
            writer.draft(shop.database)
            writer.delete(shop.database)
        finally:
            writer.stop()
        puller.pull()
        puller.load()
        assert puller.table("invoice_lines") == before
        puller.pull(compare_keys=True)
        puller.load()
        assert_equal_to_the_source(shop, puller, tmp_path)
