"""The measures, each described once: who scores, explains, calibrates or shows measures goes through this list.

Adding one: a file that measures it, its entry here, its scale in the policy (see docs/policies.md), its columns in the
contracts of customer_value_history and customer_value (with a migration), and its name among the terms of explanation_term.
Its order here is the order in which points are given and measures are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from transforms.measures.contribution import measure_contribution
from transforms.measures.feedback import measure_feedback
from transforms.measures.influence import measure_influence
from transforms.measures.loyalty import measure_loyalty
from transforms.measures.potential import measure_potential
from transforms.measures.price_quantity import split_change
from transforms.measures.steadiness import measure_steadiness
from transforms.measures.window import KEY

if TYPE_CHECKING:
    import polars as pl

    from transforms.facts.model import Facts
    from transforms.measures.window import Window
    from transforms.policy.model import MeasureScale, Policy

Unit = Literal["company_currency", "share", "per_month", "points"]


class Label(NamedTuple):
    """What something is called in English and in Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class MeasureInput:
    """What the measures of one period are taken from. Grain of the frames: company × customer, `months` by month.

    `volume`, `demand` and `history` (rows of `order_history`), which others need too, are made once. `sales`: SALES_CELL rows of
    24 months, None where they are not kept.
    """

    facts: Facts
    policy: Policy
    window: Window
    customers: pl.LazyFrame
    months: pl.LazyFrame
    volume: pl.LazyFrame
    demand: pl.LazyFrame
    history: pl.LazyFrame
    sales: pl.LazyFrame | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: how it is taken, which columns it gives, and what it is called.

    `column` is what is scored, null where it is not assessed, and then `reason_column` says why. `columns` are all that
    `take` gives beside the key, these two among them; `unit` is that of `column`; `heading` says in words what it holds,
    `doc` what it means.
    """

    name: str  # of its scale in the policy, [measures.<name>]
    column: str
    reason_column: str
    columns: tuple[str, ...]
    unit: Unit
    label: Label
    heading: str
    doc: Label
    take: Callable[[MeasureInput], pl.LazyFrame]

    @property
    def score_column(self) -> str:
        """Its score, 0–100."""
        return f"{self.name}_score"

    @property
    def points_column(self) -> str:
        """What it gives to the score."""
        return f"{self.name}_points"

    @property
    def delta_column(self) -> str:
        """What it gives to the change of the score."""
        return f"{self.name}_delta"

    def scale(self, policy: Policy) -> MeasureScale:
        """Its weight and breakpoints in a policy."""
        return policy.measures.scale(self.name)


MEASURES: Final[tuple[Measure, ...]] = (
    Measure(
        name="volume",
        column="net_sales_12m",
        reason_column="volume_reason",
        columns=(
            "net_sales_12m",
            "volume_reason",
            "quantity_12m",
            "quantity_effect_12m",
            "price_effect_12m",
            "quantity_change_12m",
            "sales_change_cause",
            "abc_class",
            "sales_trend",
        ),
        unit="company_currency",
        label=Label("Volume", "采购量"),
        heading="net sales of 12 months",
        doc=Label(
            "Net sales of the twelve months up to the last closed month, without tax, credit notes deducted.",
            "采购量：截至统计月末 12 个月净销售额之和（不含税，贷项为负）。",
        ),
        take=lambda given: given.volume.join(
            split_change(given.months, given.sales, given.window), on=KEY, how="left", validate="1:1"
        ),
    ),
    Measure(
        name="steadiness",
        column="steadiness",
        reason_column="steadiness_reason",
        columns=("steadiness", "steadiness_reason", "steadiness_seasonal", "xyz_class"),
        unit="share",
        label=Label("Steadiness", "采购均衡性"),
        heading="steadiness, 0 to 1",
        doc=Label(
            "How even the monthly net sales are: 1 is a flat year, 0 a single order in the year.",
            "每月净销售额的 1 − CV/√(N−1)：1 表示全年均衡，0 表示一年只下一单。",
        ),
        take=lambda given: measure_steadiness(
            given.customers, given.months, given.window, given.policy.steadiness
        ),
    ),
    Measure(
        name="contribution",
        column="contribution_12m",
        reason_column="contribution_reason",
        columns=(
            "contribution_12m",
            "contribution_reason",
            "contribution_basis",
            "loss_component",
            "cost_coverage",
            "cost_estimated_share",
            "cost_estimated_12m",
            "margin_12m",
            "return_rate_12m",
            "price_credit_rate_12m",
            "returns_warned",
        ),
        unit="company_currency",
        label=Label("Contribution", "利润贡献"),
        heading="contribution of 12 months",
        doc=Label(
            "Net sales less cost of goods, freight, rebates, service, the interest on what is owed and what of it was "
            "written off, as far as these are delivered; below 0 the customer costs more than it brings.",
            "净销售额减去销售成本、运费、返利、服务费用、应收占用资金的利息与坏账核销（以已提供的数据为限）；低于 0 表示耗费多于贡献。",
        ),
        take=lambda given: measure_contribution(
            given.customers, given.months, given.facts, given.sales, given.window, given.policy
        ),
    ),
    Measure(
        name="loyalty",
        column="loyalty",
        reason_column="loyalty_reason",
        columns=(
            "loyalty",
            "loyalty_reason",
            "loyalty_basis",
            "season_months",
            "active_month_ratio",
            "tenure_years",
            "usual_gap_days",
            "repurchase_timeliness",
            "share_of_wallet",
            "p_alive",
        ),
        unit="share",
        label=Label("Loyalty", "忠诚度"),
        heading="loyalty, 0 to 1",
        doc=Label(
            "Weighted mean of the parts that can be assessed: active months, tenure, timeliness, share of wallet.",
            "可评估部分的加权平均：活跃月份占比、合作年限、复购及时性、采购份额。",
        ),
        take=lambda given: measure_loyalty(
            given.customers,
            given.volume,
            given.demand,
            given.history,
            given.facts,
            given.window,
            given.policy.loyalty,
        ),
    ),
    Measure(
        name="feedback",
        column="feedback_rate",
        reason_column="feedback_reason",
        columns=("feedback_rate", "feedback_reason", "complaints_12m"),
        unit="per_month",
        label=Label("Feedback", "信息反馈"),
        heading="feedback a month",
        doc=Label(
            "Distinct feedback days and kinds a month, smoothed by the policy.",
            "每月不同日期与类型的信息反馈次数，经政策参数平滑。",
        ),
        take=lambda given: measure_feedback(
            given.customers, given.facts, given.window, given.policy.feedback
        ),
    ),
    Measure(
        name="influence",
        column="influence",
        reason_column="influence_reason",
        columns=("influence", "influence_reason", "influence_assessor", "influence_assessed_on"),
        unit="points",
        label=Label("Influence", "行业影响力"),
        heading="influence, 0 to 100",
        doc=Label(
            "Influence on the industry by the latest assessment that has not expired.",
            "统计月末仍有效的最新一次行业影响力评估。",
        ),
        take=lambda given: measure_influence(given.customers, given.facts, given.window),
    ),
    Measure(
        name="potential",
        column="headroom_12m",
        reason_column="headroom_reason",
        columns=("headroom_12m", "headroom_reason", "potential_method", "estimated_demand_12m"),
        unit="company_currency",
        label=Label("Potential", "需求潜力"),
        heading="headroom of 12 months",
        doc=Label(
            "Estimated demand of twelve months less what we sold, floored at 0.",
            "需求空间：十二个月的估计需求减去我方销售额，最低为 0。",
        ),
        take=lambda given: measure_potential(
            given.customers, given.volume, given.demand, given.facts, given.policy.potential
        ),
    ),
)
