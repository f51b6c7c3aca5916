"""Notes that a person has read the policy which was fitted to the data, and lets it rule."""

from __future__ import annotations

from datetime import UTC, datetime
from getpass import getuser

from flows.errors import UsageError
from flows.pipeline import calibration
from flows.pipeline.rate import read_policy
from flows.settings import Settings
from transforms.frames.periods import YEAR
from transforms.policy.model import Policy
from transforms.simulation.calibrate import MIN_CUSTOMERS, is_scaled
from warehouse.mart import queries


def confirm(settings: Settings, by: str | None) -> tuple[Policy, str]:
    """Confirm the policy in force; the policy, and who did. UsageError if there is none yet."""
    path = settings.policy_file
    if not path.is_file():
        raise UsageError(f"there is no policy at {path} to confirm; `valuemart refresh` fits one to the data")
    policy, who = read_policy(path), by or getuser()
    calibration.confirm(settings, policy, by=who, at=datetime.now(UTC))
    return policy, who


def asked_of_a_person(settings: Settings) -> str | None:
    """What the policy in force asks of a person: to confirm it, or to calibrate again; None if it asks nothing."""
    if not settings.policy_file.is_file():
        return None
    policy = read_policy(settings.policy_file)
    if calibration.is_unconfirmed(settings, policy):
        return "fitted to the data, and confirmed by nobody: read it, then `valuemart policy confirm`"
    if not is_scaled(policy) or not settings.mart_file.is_file():
        return None
    months, customers = queries.extent(settings.mart_file)
    if months < YEAR or customers < MIN_CUSTOMERS:
        return None
    return f"scaled for want of data; there are {months} months and {customers} customers now: `valuemart calibrate` fits one"
