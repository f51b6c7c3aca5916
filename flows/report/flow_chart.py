"""Where the tiers and ribbons of the migration lie: the thickness is net sales of then and of now, the order is rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from flows.report.charts import WIDTH
from warehouse.mart.files import Row


@dataclass(frozen=True, slots=True)
class Node:
    """One side's share of a tier in the flow."""

    tier: str | None
    y: float
    height: float
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Ribbon:
    """What went from one tier to another."""

    row: Row
    path: str
    direction: str  # up, down, lateral, stays; appears, disappears where one side is not rated


@dataclass(frozen=True, slots=True)
class Flow:
    """Two columns of tiers and the ribbons between them."""

    left: list[Node]
    right: list[Node]
    ribbons: list[Ribbon]
    height: float
    left_edge: float = 150.0
    right_edge: float = WIDTH - 150.0


_FLOW_HEIGHT, _GAP, _LEAST = 300.0, 14.0, 1.5


def flow(rows: Sequence[Row]) -> Flow | None:
    """The migration between two periods: net sales of then at the left, of now at the right, to one scale.

    An amount below 0 has no thickness. None where nothing was sold in either.
    """
    rows = [row for row in rows if row["net_sales_before"] > 0 or row["net_sales_after"] > 0]
    if not rows:
        return None
    total = float(max(_sum(rows, "net_sales_before"), _sum(rows, "net_sales_after")))
    left, left_end = _nodes(rows, "from", "net_sales_before", total)
    right, right_end = _nodes(rows, "to", "net_sales_after", total)
    drawn = Flow(list(left.values()), list(right.values()), [], max(left_end, right_end))
    at_left = {tier: node.y for tier, node in left.items()}
    at_right = {tier: node.y for tier, node in right.items()}
    middle = (drawn.left_edge + drawn.right_edge) / 2
    for row in rows:
        before, after = (_thickness(row[name], total) for name in ("net_sales_before", "net_sales_after"))
        y, z = at_left[row["from_tier"]], at_right[row["to_tier"]]
        at_left[row["from_tier"]] += before
        at_right[row["to_tier"]] += after
        path = (
            f"M{drawn.left_edge:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {z:.1f} {drawn.right_edge:.1f} {z:.1f}"
            f"V{z + after:.1f}C{middle:.1f} {z + after:.1f} {middle:.1f} {y + before:.1f} {drawn.left_edge:.1f} "
            f"{y + before:.1f}Z"
        )
        drawn.ribbons.append(Ribbon(row, path, row["direction"]))
    # What stays lies below what moves.
    drawn.ribbons.sort(key=lambda ribbon: ribbon.direction != "stays")
    return drawn


def _sum(rows: Sequence[Row], column: str) -> Decimal:
    return sum((max(row[column], Decimal(0)) for row in rows), Decimal(0))


def _thickness(amount: Decimal, total: float) -> float:
    return max(_LEAST, float(amount) / total * _FLOW_HEIGHT)


def _nodes(rows: Sequence[Row], side: str, amount: str, total: float) -> tuple[dict[str | None, Node], float]:
    """The tiers of one side from the highest rank down, and where they end."""
    ranks = {row[f"{side}_tier"]: row[f"{side}_rank"] or 0 for row in rows}
    nodes: dict[str | None, Node] = {}
    y = 24.0
    for tier in sorted(ranks, key=lambda each: (-ranks[each], each or "")):
        amounts = [row[amount] for row in rows if row[f"{side}_tier"] == tier]
        height = sum(_thickness(each, total) for each in amounts)
        nodes[tier] = Node(tier, round(y, 1), round(height, 1), sum(amounts, Decimal(0)))
        y += max(height, 13.0) + _GAP
    return nodes, y
