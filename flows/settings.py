"""Where things lie and how a run behaves: `VALUEMART_*` variables over `valuemart.toml` over defaults.

A wrong setting is said with its key and where it was set, before anything is touched. This is also the only place
that asks what day it is: everything behind it takes `as_of` as an argument.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnparsableSettingError

from flows.connections import NAME, PASSWORD_PREFIX, Connection
from flows.sinks.configuration import (
    KINDS,
    AnySink,
    FileSettings,
    SinkName,
    absolute,
    keys_of,
    named_variables,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from warehouse.share import Share

PREFIX = "VALUEMART_"
CONFIG_VARIABLE = "VALUEMART_CONFIG"
CONFIG_NAME = "valuemart.toml"

# Read elsewhere, by the tests and by the start of a process; everything else with the prefix must be a setting.
NOT_SETTINGS = frozenset({CONFIG_VARIABLE, "VALUEMART_REQUIRE_SERVICES"})
TEST_PREFIX = "VALUEMART_TEST_"


class SettingsError(Exception):
    """A setting is wrong; the message names the key, where it was set, and what it may be."""


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError(f"{value!r} is no currency code; use three capital letters such as EUR")
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        near = difflib.get_close_matches(value, available_timezones(), 1)
        named = near[0] if near else "Europe/Berlin"
        raise ValueError(f"{value!r} is no time zone; use a name such as {named}") from None
    return value


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", value):
        raise ValueError(f"{value!r} is no tenant name; use letters, digits, dots, dashes and underscores")
    return value


def _folder(value: Path) -> Path:
    if value.exists() and not value.is_dir():
        raise ValueError(f"{value} is a file; name a folder")
    return value.absolute()


def _existing_folders(value: list[Path]) -> list[Path]:
    for folder in value:
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder; name folders that hold one folder a source")
    return value


def _split_path(value: object) -> object:
    """A variable holds folders as PATH does, parted by `:`."""
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _connection_name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name of a connection; use small letters, digits and underscores, beginning with a letter"
        )
    return value


def _policy(value: Path) -> Path:
    if not value.is_file():
        raise ValueError(f"there is no policy file {value}; `valuemart calibrate --out {value}` proposes one")
    return value


def _share_names(value: dict[str, PublishRule]) -> dict[str, PublishRule]:
    for name in value:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
            raise ValueError(f"{name!r} is no name of a mart; use small letters, digits and underscores")
    return value


class PublishRule(BaseModel):
    """What a further mart shows: rows of these companies (None: all), without or with masked columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    companies: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()


def _files_only() -> dict[SinkName, AnySink]:
    return {"file": FileSettings(kind="file")}


class Settings(BaseSettings):
    """All settings of an installation. Paths in `valuemart.toml` are relative to that file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Annotated[Path, AfterValidator(_folder)] = Path("var")
    sources_path: Annotated[
        list[Path], NoDecode, BeforeValidator(_split_path), AfterValidator(_existing_folders)
    ] = Field(default_factory=list)
    policy: Annotated[Path, AfterValidator(_policy)] | None = None
    company_currency: Annotated[str, AfterValidator(_currency)] = "EUR"
    timezone: Annotated[str, AfterValidator(_timezone)] = "Europe/Berlin"
    tenant: Annotated[str, AfterValidator(_tenant)] = "default"
    strict: bool = False
    owners: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    shrink_limit: float = Field(default=0.5, ge=0, le=1)
    connections: dict[Annotated[str, AfterValidator(_connection_name)], Connection] = Field(
        default_factory=dict
    )
    data_docs: Literal["never", "violations", "always"] = "violations"
    publish: Annotated[dict[str, PublishRule], AfterValidator(_share_names)] = Field(default_factory=dict)
    notify_url: SecretStr | None = None
    stuck_after_minutes: int = Field(default=60, ge=1)

    @property
    def shares(self) -> tuple[Share, ...]:
        """The further marts to publish."""
        from warehouse.share import Share

        return tuple(
            Share(name, rule.companies, rule.drop, rule.mask) for name, rule in sorted(self.publish.items())
        )

    sinks: dict[SinkName, AnySink] = Field(default_factory=_files_only)

    @property
    def inbox(self) -> Path:
        """Where batches land: `<source>/<company>/<batch_id>/`."""
        return self.home / "inbox"

    @property
    def archive(self) -> Path:
        """Where loaded batches are moved to."""
        return self.home / "archive"

    @property
    def data_docs_folder(self) -> Path:
        """Great Expectations' pages on what was judged: `<source>/<company>/<batch_id>/index.html`."""
        return self.home / "data_docs"

    @property
    def scratch(self) -> Path:
        """Short-lived files of a load; leftovers are dropped at the next start."""
        return self.home / "scratch"

    @property
    def warehouse_file(self) -> Path:
        """The pipeline's own database; nobody else should open it."""
        return self.home / "warehouse.duckdb"

    @property
    def mart_file(self) -> Path:
        """The published mart, for BI."""
        return self.home / "mart.duckdb"

    @property
    def mart_folder(self) -> Path:
        """The published mart as Parquet, one folder a generation, `current` points to the latest."""
        return self.home / "mart"

    @property
    def ops_file(self) -> Path:
        """The published books (ledger, quarantine, outbox), for the reading commands."""
        return self.home / "ops.duckdb"

    @property
    def relay_file(self) -> Path:
        """What was delivered to which sink."""
        return self.home / "relay.db"

    @property
    def events_folder(self) -> Path:
        """Where the file sink writes events, one line an event."""
        return self.home / "events"

    @property
    def report_folder(self) -> Path:
        """The report: pages made of the published mart."""
        return self.home / "report"

    @property
    def report_file(self) -> Path:
        """The report's first page."""
        return self.report_folder / "index.html"

    @property
    def metrics_folder(self) -> Path:
        """Where each run leaves its numbers, for Prometheus."""
        return self.home / "metrics"

    @property
    def backups_folder(self) -> Path:
        """Where backups go unless somebody names another place."""
        return self.home / "backups"

    @property
    def policy_file(self) -> Path:
        """The policy in force: the configured one, else the one calibrated into the home."""
        return self.policy or self.home / "policy.toml"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' own signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, whose values `load` hands over as arguments."""
        return env_settings, init_settings


def yesterday(timezone: str, *, now: datetime | None = None) -> date:
    """The last day that is over in the company's time zone: what `as_of` is unless somebody names another."""
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)


def aware(moment: datetime, timezone: str) -> datetime:
    """An instant that a person named: without an offset it is meant in the company's time zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))


def load() -> Settings:
    """The settings of this process. SettingsError, in one line, names what is wrong and where it was set."""
    file = _config_file()
    values = _read(file) if file else {}
    _refuse_unknown_variables(named_variables(values.get("sinks")))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError("; ".join(_said(fault, file) for fault in error.errors())) from error
    except UnparsableSettingError as error:
        name = re.search(r'field "(\w+)"', str(error))
        variable = PREFIX + name[1].upper() if name else "a variable"
        raise SettingsError(
            f"{variable} is not JSON; write it as JSON, or set it in {CONFIG_NAME}"
        ) from error
    _refuse_passwords_of_nobody(settings)
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """What makes a process that starts in another folder find the same settings: every path in full."""
    file = _config_file()
    paths = {
        "HOME": str(settings.home),
        "SOURCES_PATH": os.pathsep.join(str(each.absolute()) for each in settings.sources_path),
        "POLICY": str(settings.policy.absolute()) if settings.policy else "",
        "CONFIG": str(file.absolute()) if file else "",
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
    for key in ("home", "policy"):
        if isinstance(values.get(key), str):
            values[key] = folder / values[key]
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
            raise SettingsError(f"there is no setting {name}; {_nearest(name, sorted(known))}")


def _refuse_passwords_of_nobody(settings: Settings) -> None:
    """The password of a connection that does not exist is a misspelt name, be it of the one or of the other."""
    known = [PASSWORD_PREFIX + name.upper() for name in settings.connections]
    for name in sorted(os.environ):
        if name.startswith(PASSWORD_PREFIX) and name.removesuffix("_FILE") not in known and name not in known:
            there = ", ".join(settings.connections) or "none"
            raise SettingsError(f"{name} is the password of no connection; there are: {there}")


def _said(fault: ErrorDetails, file: Path | None) -> str:
    key = str(fault["loc"][0]) if fault["loc"] else ""
    variable = PREFIX + key.upper()
    place = variable if variable in os.environ else str(file)
    inside = fault["loc"][1:]
    if fault["type"] == "extra_forbidden" and not inside:
        return f"{place}: there is no setting {key!r}; {_nearest(key, sorted(Settings.model_fields))}"
    if key == "sinks" and inside:
        return f"{place}: {_said_of_a_sink(fault)}"
    deeper = "".join(f"[{part!r}]" for part in inside)
    return f"{place}: {key}{deeper}: {fault['msg'].removeprefix('Value error, ')}"


def _said_of_a_sink(fault: ErrorDetails) -> str:
    name, *rest = (str(part) for part in fault["loc"][1:])
    kind, *keys = rest or [""]  # pydantic names the kind that it checked against
    if fault["type"] == "union_tag_not_found":
        return f"sinks.{name}: name its kind: {', '.join(KINDS)}"
    if fault["type"] == "union_tag_invalid":
        given = str(fault["input"].get("kind")) if isinstance(fault["input"], dict) else ""
        return f"sinks.{name}: there is no kind {given!r}; {_nearest(given, list(KINDS), 'kinds')}"
    if fault["type"] == "extra_forbidden":
        return f"sinks.{name}: a {kind} sink has no setting {keys[0]!r}; {_nearest(keys[0], keys_of(kind))}"
    where = ".".join(["sinks", name, *(key for key in keys if key != "[key]")])
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"


def _nearest(name: str, known: list[str], what: str = "settings") -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"the {what} are {', '.join(known)}"
