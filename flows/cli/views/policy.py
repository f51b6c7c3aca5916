"""A policy file, shown to a person or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.console.output import echo, echo_err, echo_json, pairs, place

if TYPE_CHECKING:
    from transforms.policy.model import Policy


def show_policy(policy: Policy, file: Path, *, as_json: bool) -> None:
    """Which policy a file holds; a line on standard error says so if it is written in an earlier schema version."""
    complain_if_outdated(policy, file)
    about = {
        "file": file,
        "id": policy.id,
        "version": policy.version,
        "content_hash": policy.content_hash,
        "schema_version": policy.written_version,
    }
    if as_json:
        echo_json(about)
        return
    echo(f"{place(file)} can be used")
    pairs(about)


def show_upgraded(before: Policy, after: Policy, file: Path, out: Path, *, as_json: bool) -> None:
    """What an upgrade wrote: `after` means what `before` did, and is known by a hash of its own."""
    if as_json:
        named = {"schema_version": after.written_version, "content_hash": after.content_hash}
        echo_json({"file": file, "written": out, **named, "was": before.written_version})
        return
    if before.written_version == after.written_version:
        echo(f"{place(file)} is written in schema_version {after.written_version}, today's, already")
        return
    echo(f"{place(out)} is written in schema_version {after.written_version}, and rules as before")
    echo(
        "it is another text, so the first refresh under it rates the current period anew, as under any new policy"
    )


def complain_if_outdated(policy: Policy, file: Path) -> None:
    """Say on standard error that a file is of an earlier schema version, if it is."""
    from transforms.policy.model import is_outdated

    if is_outdated(policy):
        echo_err(f"valuemart: {outdated(policy, file)}")


def named(policy: Policy) -> str:
    """A policy's name and version."""
    return f"{policy.id} {policy.version}"


def outdated(policy: Policy, file: Path) -> str:
    """That a policy file is of an earlier schema version, and how to write it anew."""
    return (
        f"{place(file)} is written in schema_version {policy.written_version}, today's is {policy.schema_version}; it "
        f"rules as it did, and `valuemart policy upgrade {place(file)}` writes it anew"
    )


def show_confirmed(policy: Policy, file: Path, who: str, *, as_json: bool) -> None:
    """Who has confirmed which policy."""
    if as_json:
        echo_json({"file": file, "id": policy.id, "content_hash": policy.content_hash, "confirmed_by": who})
        return
    echo(f"{policy.id} {policy.version} is confirmed by {who}; a change of {place(file)} asks for it again")
