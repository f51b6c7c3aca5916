"""Whether a consumer who was written against a published schema of an event still understands what is sent now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

# A bound that admits more than it did: the keyword, and whether a larger value admits more.
_BOUNDS = {
    "maximum": True,
    "exclusiveMaximum": True,
    "maxLength": True,
    "maxItems": True,
    "minimum": False,
    "exclusiveMinimum": False,
    "minLength": False,
    "minItems": False,
}


def breaks(published: Schema, current: Schema) -> list[str]:
    """What a consumer of `published` may stumble over in events of `current`, each by where it stands; empty if nothing.

    A field that is new breaks nobody, since consumers leave out what they do not know. Everything else must fit the
    published schema: a field that is gone or may be missing or null now, another type, a new value of an enumeration,
    a wider bound, another pattern or format.
    """
    return list(_breaks(published, current, published, current, "data"))


def _breaks(old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    options = _options(old)
    if len(options) > 1 or len(_options(new)) > 1:
        yield from _breaks_of_options(old, new, old_root, new_root, place)
        return
    if "type" in old and new.get("type") != old["type"]:
        yield f"{place}: was {old['type']}, is {new.get('type', 'anything')}"
        return
    yield from _breaks_of_values(old, new, place)
    if "properties" in old:
        yield from _breaks_of_fields(old, new, old_root, new_root, place)
    if "items" in old:
        if "items" in new:
            yield from _breaks(old["items"], new["items"], old_root, new_root, f"{place}[]")
        else:
            yield f"{place}[]: items are not described any more"


def _breaks_of_options(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str
) -> Iterator[str]:
    """Every way the current schema allows must be one that the published schema allowed."""
    for option in _options(new):
        trials = [list(_breaks(published, option, old_root, new_root, place)) for published in _options(old)]
        if [] not in trials:
            # Of several published ways, the one that comes nearest says most.
            yield from min(trials, key=lambda found: (_is_about_type(found, place), len(found)))


def _is_about_type(found: list[str], place: str) -> bool:
    return any(each.startswith(f"{place}: was ") for each in found)


def _breaks_of_values(old: Schema, new: Schema, place: str) -> Iterator[str]:
    allowed, sent = _values(old), _values(new)
    if allowed is not None:
        if sent is None:
            yield f"{place}: may be any value now, and was one of {', '.join(map(str, allowed))}"
        else:
            for value in sent:
                if value not in allowed:
                    yield f"{place}: may be {value!r} now"
    for keyword in ("pattern", "format"):
        if keyword in old and new.get(keyword) != old[keyword]:
            yield f"{place}: {keyword} was {old[keyword]}, is {new.get(keyword, 'none')}"
    for keyword, larger_admits_more in _BOUNDS.items():
        if keyword not in old:
            continue
        bound = new.get(keyword)
        if bound is None or (bound > old[keyword] if larger_admits_more else bound < old[keyword]):
            yield f"{place}: {keyword} was {old[keyword]}, is {bound if bound is not None else 'none'}"


def _breaks_of_fields(
    old: Schema, new: Schema, old_root: Schema, new_root: Schema, place: str
) -> Iterator[str]:
    fields = new.get("properties", {})
    for name, schema in old["properties"].items():
        if name not in fields:
            yield f"{place}.{name}: is gone"
            continue
        if name in old.get("required", ()) and name not in new.get("required", ()):
            yield f"{place}.{name}: may be missing now"
        yield from _breaks(schema, fields[name], old_root, new_root, f"{place}.{name}")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema that a reference within the document means; what stands beside the reference is prose."""
    while "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _options(schema: Schema) -> list[Schema]:
    """The ways a value may be: `anyOf`, a list of types, or the schema itself."""
    if "anyOf" in schema:
        return list(schema["anyOf"])
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": each} for each in schema["type"]]
    return [schema]


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None
