"""Puts what is wrong with a policy into words: which key, what is wrong, what is allowed."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_KINDS: Final = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "date_type": "a date such as 2024-01-31, without quotes",
    "string_type": "a text in quotes",
    "tuple_type": "a list in square brackets",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
}


class PolicyError(ValueError):
    """A policy that cannot be used. `problems` holds one sentence a fault, each starting with the key it speaks of."""

    exit_code: ClassVar[int] = 2  # of the command line, which answers with the message alone

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "the policy cannot be used:\n" + "\n".join(f"  {problem}" for problem in self.problems)
        )


def describe(error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """Return one sentence a fault, in the order of the keys; `model` is the whole policy."""
    return tuple(f"{_key(fault['loc'])}: {_sentence(fault, model)}" for fault in error.errors())


def _sentence(fault: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(fault["loc"], model)
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"is {given}; it must be {words} {context[name]}"
    if kind in _KINDS:
        return f"is {given!r}; {_KINDS[kind]} is expected"
    sentences: dict[str, Callable[[], str]] = {
        "missing": lambda: "is missing; a policy states every key, so that nothing is decided silently",
        "value_error": lambda: str(context["error"]),
        "literal_error": lambda: f"is {given!r}; allowed are {context['expected']}",
        "string_pattern_mismatch": lambda: f"is {given!r}; it must look like {context['pattern']}",
        "too_short": lambda: (
            f"has {context['actual_length']} entries; at least {context['min_length']} are needed"
        ),
    }
    return sentences[kind]() if kind in sentences else f"is {given!r}; {fault['msg']}"


def _unknown_key(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    allowed = _allowed_keys(location[:-1], model)
    near = get_close_matches(str(location[-1]), allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"is not a key of a policy{hint} Allowed here: {', '.join(allowed)}"


def _allowed_keys(section: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    for step in section:
        inner: Any = model.model_fields[str(step)].annotation
        model = inner
    return list(model.model_fields)


def _key(location: tuple[int | str, ...]) -> str:
    text = ""
    for step in location:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "policy"
