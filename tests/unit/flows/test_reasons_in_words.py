"""Reasons are codes with figures, and say the same in the mart's English, on the report's page, and in Chinese."""

from __future__ import annotations

import ast
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

import transforms
from flows.wording.reasons import (
    FILE,
    Form,
    Place,
    formats,
    localized,
    moved_by,
    render,
    templates,
    with_text,
)
from flows.wording.words import Localized, read, words
from transforms.conduct.evidence import FLAGGED
from transforms.frames.reasons import CODES, REASON, REASONS, SLOTS, joined, reason, reason_rows, reasons
from transforms.rating.explain_score import score_term_names
from transforms.tiers.caps import CAUSES

CHINESE = re.compile(r"[\u4e00-\u9fff]")
ROOM = Path(transforms.__file__).parent


def because(code: str, **figures: Any) -> dict[str, Any]:
    """A reason as a frame holds it: the figures it has not are null."""
    return {"code": code, **dict.fromkeys(SLOTS), **figures}


def figure(subject: str, value: str, bar: str) -> dict[str, Any]:
    return because("figure_above_bar", subject=subject, value=Decimal(value), bar=Decimal(bar))


def driver(subject: str, points: str) -> dict[str, Any]:
    return because("driver", subject=subject, value=Decimal(points))


SURGE = [
    because("purchases_surge", value=Decimal("3.849655")),
    because("surge_above_peers", value=Decimal("32.831920")),
    because("neighbour_declines", name="DE-OST", value=Decimal("0.261914")),
]


@pytest.mark.parametrize(
    ("said", "mart", "page", "chinese"),
    [
        ([driver("loyalty", "-0.724900"), driver("policy", "3.000000")],
         "loyalty −0.7249, policy +3", "loyalty −0.72, policy +3.00", "忠诚度 −0.72，政策 +3.00"),
        ([driver("volume", "1.501200"), because("other_drivers", value=Decimal("-0.0004"))],
         "volume +1.5012, others −0.0004", "volume +1.50", "采购量 +1.50"),
        ([because("below_bar", subject="loyalty", value=Decimal("0.136667"), bar=Decimal("0.57"))],
         "loyalty below 0.57 by 0.136667", "loyalty below the bar of 0.57 by 0.137", "忠诚度低于 0.57，差 0.137"),
        ([because("above_bar", subject="net_sales_12m", value=Decimal("1613.95"), bar=Decimal(157500))],
         "net_sales_12m above 157,500 by 1,613.95", "net sales above the bar of 157,500 by 1,614", "净销售额高于 157,500，余 1,614"),
        ([figure("days_late_12m", "10.014011", "10"), figure("overdue_share", "0.2004", "0.2")],
         "days_late_12m 10.014011 above 10, overdue_share 0.2004 above 0.2",
         "days paid late 10.01 (above 10), overdue share 20.04% (above 20%)", "平均逾期天数 10.01（高于 10），逾期占比 20.04%（高于 20%）"),
        ([because("fell_below", subject="loyalty", value=Decimal("0.539951"), bar=Decimal("0.54"))],
         "loyalty 0.539951 below 0.54", "loyalty 0.53995 below 0.54", "忠诚度 0.53995，低于 0.54"),
        ([because("over_limit", amount=Decimal("4000.3"), bar=Decimal(4000))],
         "exposure 4,000.30 above limit 4,000.00", "exposure 4,000.30 above limit 4,000", "信用敞口 4,000.30 超过额度 4,000"),
        ([because("not_assessed_because", subject="feedback_rate", label="not_delivered")],
         "feedback_rate not assessed: not_delivered", "feedback rate not assessed: extract not delivered", "信息反馈频率未评估：未提供数据"),
        ([because("overdue_at_month_end", amount=Decimal("57719.6"), counted=30, day=date(2026, 10, 31), value=Decimal("0.779531"))],
         "57,719.60 more than 30 days past due on 2026-10-31, share 0.779531",
         "57,720 more than 30 days past due on 2026-10-31, share 78%", "2026-10-31 有 57,720 逾期超过 30 天，占比 78%"),
        (SURGE,
         "purchases 3.849655 deviations above own history, 32.83192 above peers, while DE-OST declines by 0.261914",
         "purchases 3.8 deviations above own history, 32.8 above peers, while DE-OST declines by 26.2%",
         "采购量高出自身历史 3.8 个标准差，高出同类 32.8 个，同期 DE-OST 下降 26.2%"),
        ([because("over_limit", amount=Decimal(5400), bar=Decimal(4000)), because("credit_grade", label="E"),
          figure("overdue_share", "0.883000", "0.7"), figure("days_late_12m", "77.209", "45")],
         "exposure 5,400.00 above limit 4,000.00; grade E: overdue_share 0.883 above 0.7, days_late_12m 77.209 above 45",
         "exposure 5,400 above limit 4,000; grade E: overdue share 88.3% (above 70%), days paid late 77.2 (above 45)",
         "信用敞口 5,400 超过额度 4,000；信用等级 E：逾期占比 88.3%（高于 70%），平均逾期天数 77.2（高于 45）"),
        ([because("warning_action", label="stop"), because("severe_arrears", amount=Decimal(5000), counted=90),
          because("warning_figure_kept", subject="utilisation", value=Decimal("0.85"), bar=Decimal("0.9"), clears_at=Decimal("0.8"))],
         "stop: 5,000.00 more than 90 days past due; utilisation 0.85 from 0.9 on, until 0.8",
         "stop: 5,000 more than 90 days past due; utilisation 85% (warned of from 90% on, until 80%)",
         "停止赊销：5,000 逾期超过 90 天；额度使用率 85%（自 90% 起预警，至 80% 解除）"),
        ([because("override_by", name="Ann", remark="share 3 plans"), because("cap"),
          *(because("cap_cause", subject=cause) for cause in CAUSES), driver("volume", "4")],
         "override by Ann: share 3 plans; cap: confirmed_conduct, credit_stop, erp_block, chronic_lateness; volume +4",
         "override by Ann: share 3 plans; cap: confirmed conduct, credit stop, blocked in the ERP, chronic lateness; volume +4.00",
         "Ann人工调整：share 3 plans；上限：已证实的违规行为，停止赊销，ERP 冻结，长期逾期；采购量 +4.00"),
        ([because("cap_cause", subject="credit_stop"),
          because("cap_held", day=date(2024, 1, 1), label="marginal", counted=1, out_of=3)],
         "credit_stop is held since 2024-01-01: at most marginal, 1 of 3 clean periods",
         "credit stop is held since 2024-01-01: at most marginal, 1 of 3 clean periods",
         "停止赊销自 2024-01-01 起保持：至多为一般客户，3 个良好评级期中已满 1 个"),
        ([because("target_gap", subject="steadiness", value=Decimal("0.01")),
          because("target_bar", subject="feedback_rate", bar=Decimal("0.2")), because("would_become", label="strategic")],
         "steadiness +0.01 and feedback a month of 0.2 or more would make this customer strategic",
         "steadiness +0.01 and feedback rate of 0.2 or more would make this customer strategic",
         "采购均衡性 +0.01，且信息反馈频率达到 0.2，即成为战略伙伴"),
        ([because("conduct_suspicion", label="confirmed", subject="dumping"),
          because("offered_below_floor", counted=3, out_of=6, name="photo 1.23456, a/loyalty 7"),
          because("conduct_suspicion", label="suspected", subject="diversion")],
         "confirmed dumping: 3 of 6 offers below floor: photo 1.23456, a/loyalty 7; suspected diversion",
         "confirmed dumping: 3 of 6 offers below floor: photo 1.23456, a/loyalty 7; suspected diversion",
         "已证实的低价倾销/乱价：6 次报价中 3 次低于底价：photo 1.23456, a/loyalty 7；疑似窜货"),
        ([because("order_above_group_headroom", name="GRP-014", bar=Decimal(3000), amount=Decimal("0.01"))],
         "the order exceeds the headroom of the group GRP-014, 3,000.00, by 0.01",
         "the order exceeds the headroom of the group GRP-014, 3,000, by 0.01",
         "订单超出集团 GRP-014 的可用额度 3,000 达 0.01"),
        ([because("expected_tier", label="marginal", day=date(2026, 1, 31)), because("clean_periods", counted=4, out_of=6)],
         "expected to become marginal by 2026-01-31: 4 of 6 clean periods",
         "expected to become marginal by 2026-01-31: 4 of 6 clean periods",
         "预计于 2026-01-31 变为一般客户：6 个良好评级期中已满 4 个"),
    ],
)  # fmt: skip
def test_a_reason_says_the_same_to_everybody(
    said: list[dict[str, Any]], mart: str, page: str, chinese: str
) -> None:
    assert render(said) == mart
    assert localized(said, "what an earlier version wrote") == Localized(page, chinese)


def test_a_reason_that_an_earlier_version_left_as_text_alone_stays_as_it_is() -> None:
    assert localized((), "cap: credit_stop") == Localized("cap: credit_stop", "cap: credit_stop")
    assert localized(None, None) is None


def test_no_reason_is_no_text() -> None:
    assert render(None) is None
    frame = pl.DataFrame({"why": [None, [because("own_figures")]]}, schema={"why": REASONS})
    assert with_text(frame)["why"].to_list() == [None, "the period's own figures"]


@pytest.mark.parametrize("form", get_args(Form))
def test_every_code_is_said_in_every_form_with_exactly_its_figures(form: Form) -> None:
    assert set(templates(form)) == set(CODES)
    for code, template in templates(form).items():
        assert template.figures == set(CODES[code]), code
        assert {part.format for part in template.parts if isinstance(part, Place)} <= formats(), code


def test_chinese_is_chinese_and_english_is_not() -> None:
    for code, written in read(FILE)["codes"].items():
        assert not CHINESE.search(written["en"] + written.get("page", "")), code
        assert CHINESE.search(written["zh"]) or not re.search(
            r"[a-z]", re.sub(r"\{.*?\}", "", written["zh"])
        ), code
        assert written.get("group") is None or written["group"] in read(FILE)["groups"], code


def emitted_codes() -> set[str]:
    """What the transforms make reasons of: the first argument of every call of `reason` and `plain_reason`."""
    calls = (
        node
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"reason", "plain_reason"}
    )
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}  # type: ignore[misc]


def test_every_code_is_one_that_the_transforms_give() -> None:
    assert emitted_codes() == set(CODES)


def test_every_subject_that_a_reason_may_speak_of_has_a_word() -> None:
    subjects = {*score_term_names(), *CAUSES, "loss_making", "arrears", "diversion", "dumping"}
    assert subjects <= set(words()["subject"])
    assert set(read(FILE)["units"]) <= set(words()["subject"])
    assert set(FLAGGED) <= set(words()["suspicion"])


def test_a_reason_without_one_of_its_figures_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="the reason over_limit bears"):
        reason("over_limit", amount=pl.col("exposure"))
    with pytest.raises(ValueError, match="the reason overdrawn bears"):
        reason("overdrawn")


def test_reasons_that_are_not_there_leave_no_gap() -> None:
    frame = pl.DataFrame({"a": [1, 0], "b": [1, 0]})
    one = reasons(
        pl.when(pl.col("a") > 0).then(reason("joint_work", counted=pl.col("a"))), pl.lit(None, dtype=REASON)
    )
    both = frame.select(why=joined(one, reasons(pl.when(pl.col("b") > 0).then(reason("share_plans")))))
    assert [None if each is None else [r["code"] for r in each] for each in both["why"].to_list()] == [
        ["joint_work", "share_plans"],
        None,
    ]


def test_reasons_are_listed_in_their_order_with_the_text_they_stand_behind() -> None:
    frame = pl.DataFrame(
        {"customer_id": ["C1", "C2"], "reason": [[driver("volume", "4"), driver("loyalty", "-1")], None]},
        schema={"customer_id": pl.String(), "reason": REASONS},
    )
    listed = reason_rows(frame, "next_action", ["customer_id"])
    assert listed.select("customer_id", "about", "place", "subject", "value").rows() == [
        ("C1", "next_action.reason", 1, "volume", Decimal(4)),
        ("C1", "next_action.reason", 2, "loyalty", Decimal(-1)),
    ]


def test_who_left_a_state_is_told_so_where_there_is_nothing_to_be_compared_with() -> None:
    assert moved_by("new", ()) == Localized(
        "history is long enough: by its own figures from now on", "历史已足，自本期起按自身指标评级"
    )
    assert moved_by(None, None) == Localized("rated for the first time", "首次评级")
    assert moved_by("core", ()) is None
    told = moved_by("new", [because("policy_changed")])
    assert told is not None
    assert told.en == "another policy"
