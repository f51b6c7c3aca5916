"""The workbooks among the golden extracts, made anew from what they hold: `python tests/golden/make_workbooks.py`.

Old workbooks (.xls) need xlwt besides. What the tests read are the files that lie here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl

HERE = Path(__file__).parent
Sheet = Sequence[Sequence[Any]]

# SAP S/4HANA, saved from SE16N as a spreadsheet. One KUNNR was typed in again by somebody: a number now.
S4_KNA1: Sheet = [
    ["MANDT", "KUNNR", "LAND1", "NAME1", "BRSCH", "KONZS", "AUFSD", "LOEVM", "ERDAT"],
    ["100", "0000100234", "DE", "Nordlicht Profile AG", "CHEM", None, None, None, date(2011, 5, 3)],
    ["100", 100235, "DE", "Alster Folien KG", "CHEM", None, None, None, date(2015, 6, 20)],
    ["100", "0000100236", "NO", "Fjord Plast AS", "PACK", None, None, None, None],
]
S4_KNB1: Sheet = [
    ["MANDT", "KUNNR", "BUKRS", "ZTERM", "LOEVM", "ERDAT"],
    ["100", "0000100234", "1000", "ZB01", None, date(2011, 5, 4)],
    ["100", "0000100235", "1000", "ZB01", None, date(2015, 6, 20)],
    ["100", "0000100236", "1000", None, None, date(2019, 2, 14)],
]
S4_VBRK: Sheet = [
    [
        "VBELN",
        "FKART",
        "VBTYP",
        "WAERK",
        "VTWEG",
        "KURRF",
        "FKDAT",
        "BUKRS",
        "KUNAG",
        "SFAKN",
        "LAND1",
        "FKSTO",
    ],
    ["0090000001", "F2", "M", "EUR", "10", 1, date(2026, 1, 15), "1000", "0000100234", None, "DE", None],
    ["0090000002", "G2", "O", "EUR", "10", 1, date(2026, 1, 20), "1000", "0000100236", None, "NO", None],
]
S4_VBRP: Sheet = [
    ["VBELN", "POSNR", "PSTYV", "MATNR", "FKIMG", "VRKME", "FKLMG", "NETWR", "WAVWR", "VGBEL", "VGTYP"],
    ["0090000001", "000010", "TAN", "000000000000004711", 1250, "KG", 1250, 3562.5, 2875, None, None],
    ["0090000001", "000020", "TAN", "000000000000004711", 0.1 + 0.2, "KG", 0.1 + 0.2, 1234.56, 0, None, None],
    ["0090000002", "000010", "G2N", "000000000000004711", 50, "KG", 50, 142.5, 115, "0090000001", "M"],
]

# 金蝶云星空, 引出 as a workbook: the document's own columns stand in its first entry alone; one date as a bare day number.
KINGDEE_RECEIVABLE: Sheet = [
    ["应收单列表"],
    ["业务组织：示例公司", None, None, "单位：元"],
    [
        "单据编号", "单据类型", "业务日期", "到期日", "单据状态", "作废状态", "客户编码", "币别", "本位币", "销售员", "序号",
        "物料编码", "计价单位", "计价数量", "不含税金额", "税额", "价税合计", "不含税金额本位币", "价税合计本位币",
    ],
    [
        "AR00000201", "标准应收单", date(2026, 2, 5), date(2026, 3, 7), "已审核", "否", "C0001", "人民币", "人民币", "张伟", 1,
        "01.001", "Pcs", 1000, 1000, 130, 1130, 1000, 1130,
    ],
    [*[None] * 10, 2, "01.002", "箱", 12.5, 312.5, 40.63, 353.13, 312.5, 353.13],
    ["小计", *[None] * 12, 1012.5, 1312.5, 170.63, 1483.13, 1312.5, 1483.13],
    [
        "AR00000202", "标准应收单", 46061, None, "已审核", "否", "C0001", "人民币", "人民币", None, 1,
        "01.001", "Pcs", -10, -10, -1.3, -11.3, -10, -11.3,
    ],
    [*[None] * 10, 2, "01.001", "Pcs", "−5", "￥−5.00", "-0.65", "(5.65)", "−5.00", "５．６５−"],
    ["本页合计", *[None] * 12, 997.5, 1297.5, 168.68, 1466.18, 1297.5, 1466.18],
    ["总 计", *[None] * 12, 997.5, 1297.5, 168.68, 1466.18, 1297.5, 1466.18],
]  # fmt: skip
KINGDEE_CREDIT: Sheet = [
    ["对象编码", "对象名称", "币别", "信用额度(万元)"],
    ["C0001", "华东包装有限公司", "人民币", 20.5],
]

# 用友 U8, 输出 of a list as .xls: a title, then a header merged over 原币 and 本币.
U8_INVOICES: Sheet = [
    ["销售发票列表"],
    ["日期：2026-02-01 至 2026-02-28", "", "", "", "", "", "", "单位：万元"],
    [
        "发票类型", "发票号", "开票日期", "客户编码", "币种", "复核人", "作废人", "行号", "存货编码", "主计量单位", "数量",
        "原币", "", "", "本币",
    ],
    ["", "", "", "", "", "", "", "", "", "", "", "无税金额", "税额", "价税合计", "无税金额"],
    [
        "销售专用发票", "0000000201", date(2026, 2, 6), "010001", "人民币", "王芳", "", 1, "1001", "个", 20000,
        1.0, 0.13, 1.13, 1.0,
    ],
    [
        "销售专用发票", "0000000202", date(2026, 2, 7), "010001", "人民币", "王芳", "", 1, "1001", "个", -400,
        -0.02, -0.0026, -0.0226, -0.02,
    ],
    ["合计", "", "", "", "", "", "", "", "", "", 19600, 0.98, 0.1274, 1.1074, 0.98],
]  # fmt: skip

WORKBOOKS: Mapping[str, Sheet] = {
    "sap_s4/spreadsheets/extract/KNA1.xlsx": S4_KNA1,
    "sap_s4/spreadsheets/extract/KNB1.xlsx": S4_KNB1,
    "sap_s4/spreadsheets/extract/VBRK.xlsx": S4_VBRK,
    "sap_s4/spreadsheets/extract/VBRP.xlsx": S4_VBRP,
    "kingdee/workbooks/extract/应收单_2026-02.xlsx": KINGDEE_RECEIVABLE,
    "kingdee/workbooks/extract/信用档案.xlsx": KINGDEE_CREDIT,
    "yonyou_u8/exports/extract/销售发票列表_202602.xls": U8_INVOICES,
}


def write_xlsx(file: Path, rows: Sheet) -> None:
    """A workbook of today with one sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(file)


def write_xls(file: Path, rows: Sheet) -> None:
    """A workbook of Excel 97 with one sheet."""
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("Sheet1")
    as_date = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            if value == "":
                continue
            sheet.write(at, column, value, *([as_date] if isinstance(value, date) else []))
    book.save(str(file))


if __name__ == "__main__":
    for name, sheet in WORKBOOKS.items():
        target = HERE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (write_xls if target.suffix == ".xls" else write_xlsx)(target, sheet)
