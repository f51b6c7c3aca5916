"""What a batch must be before anything of it is read: what its source asks for, and files that are whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

from warehouse.delivery import inspect
from warehouse.delivery.dialect import Dialect, ResourceColumn
from warehouse.delivery.inspect import CheckedFile
from warehouse.delivery.manifest import KEY_SET, MANIFEST, Batch, locate, named_sheet
from warehouse.delivery.profile import Resource, Setting
from warehouse.errors import BatchRefusedError, Fault
from warehouse.staging import key_sets
from warehouse.staging.delivered import Delivered, Delivery

# Keys come as Parquet, by the names of their table.
_KEYS = Resource(pattern="*", columns={"key": ResourceColumn()})


def require_resources(delivery: Delivery) -> None:
    """The batch holds what its source requires, and nothing that it does not know; BatchRefusedError otherwise."""
    faults = [
        *_missing(delivery),
        *_unknown(delivery),
        *_strange_settings(delivery),
        *_apart(delivery),
        *key_sets.check(delivery),
    ]
    if faults:
        raise BatchRefusedError(*faults)


def _missing(delivery: Delivery) -> Iterator[Fault]:
    for name, delivered in delivery.resources.items():
        if delivered.resource.required and delivered.stated is None and delivery.batch.resources:
            yield Fault(
                "missing_resource",
                f"the resource {name!r} is required by source {delivery.source.name}, and the batch does not hold it",
                f"Deliver a file like {delivered.resource.pattern} with it.",
                MANIFEST,
            )


def _unknown(delivery: Delivery) -> Iterator[Fault]:
    for stated in (*delivery.batch.resources, *delivery.batch.before):
        if stated.name not in delivery.resources:
            yield Fault(
                "unknown_resource",
                f"the resource {stated.name!r} is not one of source {delivery.source.name}",
                f"It has {', '.join(delivery.resources)}.",
                MANIFEST,
            )


def _strange_settings(delivery: Delivery) -> Iterator[Fault]:
    known = delivery.source.profile.settings
    for name, value in delivery.batch.about.settings.items():
        if name not in known or value not in known[name].values:
            yield Fault(
                "unknown_setting",
                f"the setting {name} = {value!r} is not one of source {delivery.source.name}",
                _known(known),
                MANIFEST,
            )


def _apart(delivery: Delivery) -> Iterator[Fault]:
    """Tables of several resources that were not taken in one way, or not all where absence says that a row is gone."""
    for table, drivers in delivery.drivers.items():
        mapping = delivery.source.profile.tables[table]
        if not mapping.sources or delivery.batch.about.corrects:
            continue
        ways = {_way(each): each.name for each in drivers}
        missing = [name for name in mapping.sources if name not in {each.name for each in drivers}]
        if len(ways) > 1:
            said = " and ".join(f"{name} as {way}" for way, name in ways.items())
            yield Fault(
                "several_modes",
                f"{table} is made of {said}, and its rows can be taken in one way only",
                "Deliver them in one mode, of one window, or in batches of their own.",
                MANIFEST,
            )
        elif missing and (drivers[0].mode != "delta_upsert" or mapping.whole_by):
            what = "whole documents" if drivers[0].mode == "delta_upsert" else f"a {drivers[0].mode}"
            yield Fault(
                "missing_resource",
                f"{table} is made of {', '.join(mapping.sources)}, and as {what} it lacks {missing[0]!r}: "
                "its rows would be taken for gone",
                f"Deliver a file like {delivery.resources[missing[0]].resource.pattern} with it, an empty one if there are none.",
                MANIFEST,
            )


def _way(delivered: Delivered) -> str:
    window = delivered.stated.window if delivered.stated else None
    return f"{delivered.mode} of {window}" if window else delivered.mode


def _known(settings: Mapping[str, Setting]) -> str:
    known = [f"{name}: {' or '.join(setting.values)}" for name, setting in settings.items()]
    return f"It has {', '.join(known)}." if known else "It has none."


def check_files(delivery: Delivery, scratch: Path) -> None:
    """Check every file of the batch, and enter what was found; BatchRefusedError with what is wrong in all of them.

    What DuckDB cannot read is made into files beside `scratch` that it can.
    """
    scratch.parent.mkdir(parents=True, exist_ok=True)
    batch, faults = delivery.batch, list[Fault]()
    number = count()
    before = {each.name: each for each in delivery.before}
    for stated in (*batch.resources, *batch.key_sets, *batch.before):
        if stated.mode == KEY_SET:
            found, dialect, resource = delivery.key_sets, Dialect(), _KEYS
        elif stated.name not in delivery.resources:
            continue  # told of by require_resources
        else:
            delivered = before.get(stated.label) or delivery.resources[stated.name]
            found, dialect, resource = delivered.checked, delivered.dialect, delivered.resource
        for path, sha256 in zip(stated.paths, stated.hashes, strict=True):
            beside = scratch.with_name(f"{scratch.stem}-{next(number)}")
            try:
                found[path] = _check(batch, path, sha256, dialect, resource, beside)
            except BatchRefusedError as error:
                faults.extend(error.faults)
    if faults:
        raise BatchRefusedError(*faults)


def _check(
    batch: Batch, path: str, sha256: str, dialect: Dialect, resource: Resource, beside: Path
) -> CheckedFile:
    """Check one file, or the sheet that its path names; BatchRefusedError names what is wrong."""
    sheet = named_sheet(path)[1]
    if sheet is not None:
        dialect = dialect.model_copy(update={"sheet": sheet})
    checked = inspect.check(locate(batch, path), path, sha256, dialect, resource, beside)
    if sheet is not None and checked.kind not in {"xlsx", "xls"}:
        message = f"names the sheet {sheet!r}, and the file is no workbook"
        remedy = "Leave the part from # on out, or export it as a workbook."
        raise BatchRefusedError(Fault("wrong_file_type", message, remedy, path))
    return checked
