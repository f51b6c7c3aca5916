"""Reading the settings of a process, from its environment and from `valuemart.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError as UnparsableSettingError

from flows.settings.connections import PASSWORD_PREFIX
from flows.settings.errors import SettingsError, format_error, nearest
from flows.settings.model import PREFIX, Settings
from flows.settings.sinks import absolute, named_variables
from flows.settings.warehouse import IN_A_FILE, NAME, SQLITE, absolute_data
from warehouse.files import private_by_default

CONFIG_VARIABLE = "VALUEMART_CONFIG"
CONFIG_NAME = "valuemart.toml"

# Read elsewhere, by the tests and by the start of a process; everything else with the prefix must be a setting.
NOT_SETTINGS = frozenset(
    {CONFIG_VARIABLE, "VALUEMART_REQUIRE_SERVICES", "VALUEMART_REQUIRE_REAL", "VALUEMART_REAL_DATA"}
)
TEST_PREFIX = "VALUEMART_TEST_"


def load() -> Settings:
    """The settings of this process. SettingsError, in one line, names what is wrong and where it was set.

    From then on, what the process writes is for its owner alone: only what is published is opened to its readers.
    """
    file = _config_file()
    values = _read(file) if file else {}
    _refuse_unknown_variables(named_variables(values.get("sinks")))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError("; ".join(format_error(fault, file) for fault in error.errors())) from error
    except UnparsableSettingError as error:
        name = re.search(r'field "(\w+)"', str(error))
        variable = PREFIX + name[1].upper() if name else "a variable"
        raise SettingsError(
            f"{variable} is not JSON; write it as JSON, or set it in {CONFIG_NAME}"
        ) from error
    _refuse_passwords_of_nobody(settings)
    private_by_default()
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """What makes a process that starts in another folder find the same settings: every path in full."""
    file = _config_file()
    paths = {
        "HOME": str(settings.home),
        "PUBLISH_TO": str(settings.publish_to) if settings.publish_to else "",
        "SOURCES_PATH": os.pathsep.join(str(each.absolute()) for each in settings.sources_path),
        "POLICY": str(settings.policy.absolute()) if settings.policy else "",
        "CONFIG": str(file.absolute()) if file else "",
        "WAREHOUSE": "" if settings.warehouse == IN_A_FILE else settings.warehouse,
        "WAREHOUSE_DATA": str(absolute_data(settings.warehouse_data)) if settings.warehouse_data else "",
    }
    return {PREFIX + name: value for name, value in paths.items() if value}


def _config_file() -> Path | None:
    """The file named by VALUEMART_CONFIG, else `valuemart.toml` where the command is started, else none."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise SettingsError(f"there is no settings file {named} ({CONFIG_VARIABLE})")
        return Path(named)
    here = Path(CONFIG_NAME)
    return here if here.is_file() else None


def _read(file: Path) -> dict[str, Any]:
    """The file's keys, its relative paths taken from where the file lies."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    folder = file.absolute().parent
    for key in ("home", "policy", "publish_to"):
        if isinstance(values.get(key), str):
            values[key] = folder / values[key]
    if isinstance(values.get("warehouse_data"), str):
        values["warehouse_data"] = absolute_data(values["warehouse_data"], folder)
    url = values.get("warehouse")
    if isinstance(url, str) and url.startswith(SQLITE):
        values["warehouse"] = SQLITE + str(folder / url.removeprefix(SQLITE))
    connections = values.get("connections")
    for connection in connections.values() if isinstance(connections, dict) else ():
        if isinstance(connection, dict) and isinstance(connection.get("password_file"), str):
            connection["password_file"] = folder / connection["password_file"]
    if isinstance(values.get("sinks"), dict):
        values["sinks"] = absolute(values["sinks"], folder)
    if isinstance(values.get("sources_path"), list):
        values["sources_path"] = [folder / part for part in values["sources_path"] if isinstance(part, str)]
    return values


def _refuse_unknown_variables(secrets: set[str]) -> None:
    """A misspelt variable would else be a setting that silently does nothing; sinks name theirs for `secrets`."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | NOT_SETTINGS | secrets
    for name in sorted(os.environ):
        if (
            name.startswith(PREFIX)
            and not name.startswith((TEST_PREFIX, PASSWORD_PREFIX))
            and name not in known
        ):
            raise SettingsError(f"there is no setting {name}; {nearest(name, sorted(known))}")


def _refuse_passwords_of_nobody(settings: Settings) -> None:
    """The password of a connection that does not exist is a misspelt name, be it of the one or of the other."""
    known = [PASSWORD_PREFIX + name.upper() for name in (*settings.connections, NAME)]
    for name in sorted(os.environ):
        if name.startswith(PASSWORD_PREFIX) and name.removesuffix("_FILE") not in known and name not in known:
            there = ", ".join(settings.connections) or "none"
            raise SettingsError(f"{name} is the password of no connection; there are: {there}")
