"""How a policy of an earlier schema version becomes one of today's: step by step, each saying what the old text meant.

A policy says in `schema_version` which version of its keys it is written in; one that says nothing is of version 1. What was
written stays what it is known by (`identity.content_hash`): an upgrade changes what is computed with, never the hash. To add
a key see docs/policies.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import tomlkit

from transforms.policy.errors import PolicyError
from transforms.policy.toml_text import toml_item

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Added:
    """A key or section that this version asks for.

    `value` is what makes a policy without it compute as it did; a function of the older content, if other keys decide.
    `meaning` says so in words, for the comment beside it and the page on policies. A key that the older text has already
    keeps its value: whoever wrote it meant it.
    """

    key: str  # with its sections, such as "credit.grades.overdue_share"
    value: Any | Callable[[Content], Any]
    meaning: str

    def value_for(self, content: Content) -> Any:
        """What the key is in a policy of the older version."""
        return self.value(content) if callable(self.value) else self.value


@dataclass(frozen=True, slots=True)
class Removed:
    """A key that this version knows no longer; `meaning` says what happens instead."""

    key: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Step:
    """What changed from one schema version to the next, in the order in which it is applied."""

    changes: tuple[Added | Removed, ...]


# One step a schema version, from version 2 on. A version that was released is never changed again: add a step.
STEPS: Final[tuple[Step, ...]] = (
    Step(()),  # 2: from here on a policy says which version it is of
    Step(
        (
            Added(
                "credit.material_sales_share", 0, "material was measured by amount and share of debt alone"
            ),
            Added("credit.severe_amount", 0, "no sum was severe by itself"),
            Added("credit.blocked_action", "open", "a block in the ERP was not looked at"),
            Added("credit.written_off_action", "open", "what was written off was not looked at"),
            Added("credit.bill_days", 0, "a bill of exchange settled an item at once"),
            Added(
                "credit.dispute_max_days", 0, "a disputed item counted like any other once it was past due"
            ),
            Added("credit.dispute_many_from", 3, "has no effect while dispute_max_days is 0"),
            Added("credit.dispute_share_max", Decimal("0.25"), "has no effect while dispute_max_days is 0"),
            Added("credit.dispute_action", "stop", "a disputed item stopped like any other"),
            Added("credit.no_limit_action", "open", "no limit was no reason"),
            Added("credit.new_no_limit_action", "open", "no limit was no reason, for a new customer either"),
            Added("credit.new_no_limit_free", 0, "has no effect while new_no_limit_action is open"),
            Added(
                "credit.limit_rate_max_days", 35, "new: a limit in another currency was not compared at all"
            ),
            Added("credit.group_stop_action", "open", "a stop of one member said nothing of the others"),
            Added("gates.erp_block", "off", "a block in the ERP capped no tier"),
            Added("gates.chronic_lateness", "off", "lateness capped no tier by itself"),
            Added("loyalty.no_order_categories", (), "every product makes an order, as it did"),
            Added(
                "contribution.return_rate_from",
                Decimal("0.1"),
                "returns are warned of; no tier depends on it",
            ),
            Added(
                "gates.loss_at_estimated_cost",
                Decimal(1),
                "a loss is one with the whole of the estimated cost",
            ),
            Added(
                "decline",
                {
                    "min_months": 15,
                    "months": 3,
                    "months_of_rare": 6,
                    "gap_counts_from_days": 30,
                    "slowing_ratio": Decimal("0.75"),
                    "slowing_gaps": 2,
                    "declining_ratio": Decimal("0.6"),
                    "declining_periods": 2,
                    "declining_gaps": 3,
                    "lapsed_gaps": 4,
                    "lapsed_days": 365,
                    "clear_ratio": Decimal("0.85"),
                    "clear_gaps": Decimal("1.5"),
                    "clear_periods": 2,
                    "growing_ratio": Decimal("1.25"),
                    "listed_months": 24,
                },
                "who buys less is named; no tier depends on it",
            ),
        )
    ),
)


def newest(steps: Sequence[Step] = STEPS) -> int:
    """The schema version that the steps lead to."""
    return 1 + len(steps)


def written_version(content: Content, steps: Sequence[Step] = STEPS) -> int:
    """The schema version that a policy is written in. PolicyError if it is none that this valuemart knows."""
    version = content.get("schema_version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise PolicyError([f"schema_version: is {version!r}; a whole number from 1 on is expected"])
    if version > newest(steps):
        known = f"this valuemart knows 1 to {newest(steps)}"
        remedy = "use the version of valuemart that the policy was written for"
        raise PolicyError([f"schema_version: is {version}, but {known}; {remedy}"])
    return version


def upgraded(content: Content, steps: Sequence[Step] = STEPS) -> dict[str, Any]:
    """The content as the newest schema version says it. PolicyError for a schema version that is not known."""
    current = deepcopy(dict(content))
    for change in _changes_since(written_version(content, steps), steps):
        _apply(change, current, deepcopy(current))
    current["schema_version"] = newest(steps)
    return current


def upgraded_text(text: str, content: Content, steps: Sequence[Step] = STEPS) -> str:
    """The text of a policy written anew in the newest schema version; `content` is what the text says.

    Comments, order and the way values are written stay; what is added says what it means.
    """
    document, current = tomlkit.parse(text), deepcopy(dict(content))
    for change in _changes_since(written_version(content, steps), steps):
        before = deepcopy(current)
        _apply(change, current, before)
        _apply(change, document, before, _commented)
    document["schema_version"] = newest(steps)
    return tomlkit.dumps(document)


def _changes_since(version: int, steps: Sequence[Step]) -> Iterator[Added | Removed]:
    for step in steps[version - 1 :]:
        yield from step.changes


def _plainly(value: object, _: str) -> object:
    return value


def _commented(value: object, meaning: str) -> object:
    item = toml_item(value)
    item.comment(meaning)
    return item


def _apply(
    change: Added | Removed,
    target: MutableMapping[str, Any],
    before: Content,
    write: Callable[[object, str], object] = _plainly,
) -> None:
    """Make a change in a content or a TOML document. A section that is not there is left to the model to complain of."""
    *sections, key = change.key.split(".")
    for section in sections:
        inner = target.get(section)
        if not isinstance(inner, MutableMapping):
            return
        target = inner
    if isinstance(change, Removed):
        target.pop(key, None)
    elif key not in target:
        target[key] = write(change.value_for(before), change.meaning)
