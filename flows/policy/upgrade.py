"""Writes a policy file of an earlier schema version anew."""

from __future__ import annotations

from pathlib import Path

from transforms.policy.model import parse_policy, policy_content
from transforms.policy.upgrade import upgraded_text
from warehouse.files import write_text


def upgrade(text: str, out: Path) -> str:
    """Put a policy, as the newest schema version says it, into a file; its text. PolicyError, and no file, if it has faults."""
    parse_policy(text)
    written = upgraded_text(text, policy_content(text))
    write_text(out, written)
    return written
