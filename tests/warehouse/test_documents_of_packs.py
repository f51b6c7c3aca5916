"""The law of whole documents for each ERP that declares them: any history, in any order of landing, ends as its final state.

Documents are posted, withdrawn, edited, cancelled and posted again as the ERP itself writes that down; a batch holds those that
changed, whole, and the ERP's masters. Staged once, batches are merged in every order they may land in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from expectations.contract import load as load_contract
from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import Delivery, numbered
from warehouse.delivery.profile import BUILT_IN, read_source
from warehouse.merge import merge

pytestmark = pytest.mark.slow

POSTED, WITHDRAWN, CANCELLED = "posted", "withdrawn", "cancelled"
DAY = "2025-05-05"
Rows = list[dict[str, Any]]
Files = dict[str, Rows]


@dataclass(frozen=True)
class Document:
    """A document as a batch tells of it: what state it is in, its lines, and an amount by which versions are told apart."""

    number: int
    state: str
    lines: tuple[int, ...]
    amount: Decimal


def as_odoo(documents: Sequence[Document]) -> Files:
    """Lines 1 and 2 are goods, line 3 is what is owed."""
    moves, lines = Rows(), Rows()
    for each in documents:
        states = {POSTED: "posted", WITHDRAWN: "draft", CANCELLED: "cancel"}
        moves.append(
            {
                "id": each.number,
                # A draft has no number yet: the document is known by its id.
                "name": "/" if each.state == WITHDRAWN else f"INV/{each.number}",
                "move_type": "out_invoice",
                "state": states[each.state],
                "posted_before": "f" if each.state == WITHDRAWN else "t",
                "company_id": 1,
                "commercial_partner_id": 41,
                "partner_shipping_id": 41,
                "invoice_date": DAY,
                "invoice_user_id": "",
                "reversed_entry_id": "",
                "payment_id": "",
            }
        )
        for place in each.lines:
            is_goods = place < 3
            amount = -each.amount if is_goods else each.amount
            lines.append(
                {
                    "id": each.number * 10 + place,
                    "move_id": each.number,
                    "account_id": 20 if is_goods else 10,
                    "partner_id": 41,
                    "display_type": "product" if is_goods else "payment_term",
                    "product_id": 700 if is_goods else "",
                    "product_uom_id": 1 if is_goods else "",
                    "quantity": 1,
                    "currency_id": 125,
                    "amount_currency": amount,
                    "balance": amount,
                    "amount_residual_currency": 0 if is_goods else amount,
                    "date": DAY,
                    "date_maturity": "" if is_goods else DAY,
                }
            )
    partner = {
        "id": 41,
        "name": "K",
        "commercial_partner_id": 41,
        "country_code": "DE",
        "state_code": "",
        "industry_id": "",
    }
    own = {"id": 1, "partner_id": 1, "currency_id": 125, "country_code": "DE", "is_own": "t"}
    return {
        "account_move": moves,
        "account_move_line": lines,
        "account_partial_reconcile": [],
        "account_account": [
            {"id": 10, "account_type": "asset_receivable"},
            {"id": 20, "account_type": "income"},
        ],
        "res_partner": [partner | {"customer_rank": 1, "active": "t", "create_date": "2020-01-01"}],
        "res_company": [own],
        "res_currency": [{"id": 125, "name": "EUR"}],
        "uom_uom": [{"id": 1, "name": "Units"}],
        "product_template": [{"id": 70, "name": "Tray", "categ_id": "", "uom_id": 1}],
        "product_product": [{"id": 700, "product_tmpl_id": 70, "active": "t"}],
    }  # fmt: skip


def as_erpnext(documents: Sequence[Document]) -> Files:
    invoices, items = Rows(), Rows()
    for each in documents:
        name = f"SINV-{each.number}"
        invoices.append(
            {
                "name": name,
                "docstatus": {POSTED: 1, WITHDRAWN: 0, CANCELLED: 2}[each.state],
                "company": "Co",
                "customer": "K1",
                "posting_date": DAY,
                "currency": "EUR",
                "is_return": 0,
                "return_against": "",
                "is_opening": "No",
                "territory": "T",
            }
        )
        items += [
            {
                "name": f"{name}-{place}",
                "parent": name,
                "item_code": "P",
                "qty": 1,
                "uom": "Box",
                "stock_qty": 1,
                "net_amount": each.amount,
                "base_net_amount": each.amount,
            }
            for place in each.lines
        ]
    company: Rows = [{"name": "Co", "default_currency": "EUR"}]
    return {"sales_invoice": invoices, "sales_invoice_item": items, "company": company}


def as_kingdee(documents: Sequence[Document]) -> Files:
    """What was withdrawn was un-approved; the receivable of a document is the sum of its entries."""
    entries: Rows = [
        {
            "单据编号": f"AR{each.number}",
            "业务日期": DAY,
            "到期日": DAY,
            "单据状态": "创建" if each.state == WITHDRAWN else "已审核",
            "作废状态": "是" if each.state == CANCELLED else "否",
            "客户编码": "K1",
            "币别": "人民币",
            "本位币": "人民币",
            "序号": place,
            "物料编码": "M1",
            "计价单位": "Pcs",
            "计价数量": 1,
            "不含税金额": each.amount,
            "税额": 0,
            "价税合计": each.amount,
            "不含税金额本位币": each.amount,
            "价税合计本位币": each.amount,
        }
        for each in documents
        for place in each.lines
    ]
    customer = {"编码": "K1", "名称": "K", "禁用状态": "否"}
    return {"receivable": entries, "customer": [customer]}


def as_u8(documents: Sequence[Document]) -> Files:
    """What was withdrawn lost its reviewer (弃审)."""
    lines: Rows = [
        {
            "发票类型": "销售专用发票",
            "发票号": f"{each.number:010}",
            "开票日期": DAY,
            "客户编码": "K1",
            "币种": "人民币",
            "复核人": "王芳" if each.state == POSTED else "",
            "作废人": "王芳" if each.state == CANCELLED else "",
            "行号": place,
            "存货编码": "M1",
            "主计量单位": "个",
            "数量": 1,
            "无税金额": each.amount,
            "税额": 0,
            "价税合计": each.amount,
            "本币无税金额": each.amount,
        }
        for each in documents
        for place in each.lines
    ]
    return {"sale_bill": lines}


PACKS: Mapping[str, Callable[[Sequence[Document]], Files]] = {
    "odoo": as_odoo,
    "erpnext": as_erpnext,
    "kingdee": as_kingdee,
    "yonyou_u8": as_u8,
}
# A table without a row has a header all the same.
HEADERS = {
    "account_partial_reconcile": [
        "id", "debit_move_id", "credit_move_id", "debit_amount_currency", "credit_amount_currency", "max_date",
    ],
}  # fmt: skip


def as_csv(resource: str, rows: Rows) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else HEADERS[resource], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


class PackBench(Bench):
    """A warehouse in memory for one built-in source."""

    def __init__(self, folder: Any, pack: str) -> None:
        super().__init__(folder)
        self.pack = pack
        self.source = read_source(BUILT_IN / pack)
        self.tables = list(self.source.profile.tables)

    def batch(self, number: int, documents: Sequence[Document]) -> merge.Judged:
        """The n-th batch, staged once for all the orders it lands in; none of its rows may be in quarantine."""
        files = {
            name: {self._file(name): as_csv(name, rows)} for name, rows in PACKS[self.pack](documents).items()
        }
        made = Delivery(files, source=self.pack, **numbered(number))
        manifest = made.manifest()
        for resource in manifest["resources"]:
            resource["valuemart"]["mode"] = self.source.profile.resources[resource["name"]].mode
        judged = self.staged(
            made.write(self.folder / f"inbox{next(self.numbers)}", manifest=manifest), self.source
        )
        with duckdb.connect(str(judged.scratch), read_only=True) as scratch:
            assert scratch.execute("SELECT count(*) FROM rejected.reason").fetchall() == [(0,)]
        return judged

    def _file(self, resource: str) -> str:
        return self.source.profile.resources[resource].pattern.strip("*").rstrip(".") + ".csv"

    def empty(self) -> None:
        super().empty()
        for table in self.tables:
            self.connection.execute(f"DELETE FROM erp.{table}")

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """What lives, table by table, without the batch that brought it."""
        return {
            table: self.rows(
                f"""SELECT {", ".join(load_contract(table).column_names)}, source_document, available_on
                    FROM erp.{table} WHERE NOT is_deleted ORDER BY ALL"""
            )
            for table in self.tables
        }


@pytest.fixture(scope="module", params=PACKS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackBench]:
    made = PackBench(tmp_path_factory.mktemp("bench"), request.param)
    yield made
    made.connection.close()


# Document to the state and the lines in which one batch tells of it.
Told = Mapping[int, tuple[str, tuple[int, ...]]]


def documents(told: Mapping[int, tuple[int, tuple[str, tuple[int, ...]]]]) -> list[Document]:
    """Document to the number of the batch that tells of it, and what that says."""
    return [
        Document(document, state, lines, Decimal(number) + Decimal(document) / 100)
        for document, (number, (state, lines)) in told.items()
    ]


def assert_any_order_ends_as_the_final_state(bench: PackBench, history: Sequence[Told]) -> None:
    batches = [
        bench.batch(number, documents({document: (number, said) for document, said in told.items()}))
        for number, told in enumerate(history, 1)
    ]
    final = {
        document: (number, said) for number, told in enumerate(history, 1) for document, said in told.items()
    }
    bench.land([bench.batch(1, documents(final))], {})
    wanted = bench.contents()
    for order in permutations(batches):
        bench.land(order, {})
        assert bench.contents() == wanted, f"landed in the order {[each.batch.batch_id for each in order]}"


_lines = st.sets(st.sampled_from([1, 2, 3]), min_size=1).map(lambda lines: tuple(sorted(lines)))
_said = st.tuples(st.sampled_from([POSTED, POSTED, WITHDRAWN, CANCELLED]), _lines)
_told = st.dictionaries(st.sampled_from([1, 2]), _said, min_size=1)


@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(_told, min_size=2, max_size=3))
@example([{1: (POSTED, (1, 2, 3)), 2: (POSTED, (1, 3))}, {1: (WITHDRAWN, (1, 3))}, {1: (POSTED, (2, 3))}])
@example(
    [
        {1: (POSTED, (1, 2, 3))},
        {1: (CANCELLED, (1, 3)), 2: (WITHDRAWN, (1,))},
        {1: (POSTED, (2,)), 2: (POSTED, (1, 2))},
    ]
)
def test_any_history_of_an_erp_s_documents_ends_as_its_final_state_whichever_order_it_lands_in(
    bench: PackBench, history: list[Told]
) -> None:
    """Posted, withdrawn, edited, cancelled and posted again."""
    assert_any_order_ends_as_the_final_state(bench, history)
