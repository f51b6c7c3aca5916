"""All settings as typed values, with their defaults."""

from __future__ import annotations

import grp
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from flows.settings.connections import Connection
from flows.settings.memory import default_limit
from flows.settings.places import Places
from flows.settings.sinks import AnySink, FileSettings, SinkName
from flows.settings.values import (
    CLUSTER_SCHEMES,
    ClusterAddress,
    ConnectionName,
    Currency,
    GroupName,
    MartName,
    MemoryLimit,
    PolicyFile,
    SourceFolders,
    Tenant,
    Timezone,
    WebAddress,
)
from flows.settings.warehouse import IN_A_FILE, WarehouseData, WarehouseUrl, warehouse_of
from warehouse.files import Readers

if TYPE_CHECKING:
    from warehouse.lake.address import Warehouse
    from warehouse.mart.share import Share

PREFIX = "VALUEMART_"


class PublishRule(BaseModel):
    """What a further mart shows: rows of these companies (None: all), without or with masked columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    companies: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()


def _files_only() -> dict[SinkName, AnySink]:
    return {"file": FileSettings(kind="file")}


class Settings(Places):
    """All settings of an installation. Paths in `valuemart.toml` are relative to that file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    warehouse: WarehouseUrl = IN_A_FILE
    warehouse_data: WarehouseData | None = None
    # How long the lake's former states can be looked at; what they alone refer to is dropped by `maintain`.
    warehouse_keep_days: int = Field(default=7, ge=1, le=3_650)
    # Whether a lake shows the mart in a schema of its own, beside the files that are published.
    publish_lake_mart: bool = False
    sources_path: SourceFolders = Field(default_factory=list)
    policy: PolicyFile | None = None
    company_currency: Currency = "EUR"
    timezone: Timezone = "Europe/Berlin"
    tenant: Tenant = "default"
    strict: bool = False
    owners: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    shrink_limit: float = Field(default=0.5, ge=0, le=1)
    # Two years: an invoice or posting that is dated later than that after its extraction is a slip of the pen.
    days_ahead: int = Field(default=731, ge=0, le=36_525)
    # What is remembered of rows that are gone, for a batch that lands so much later than it was extracted.
    late_days: int = Field(default=731, ge=1, le=36_525)
    connections: dict[ConnectionName, Connection] = Field(default_factory=dict)
    memory_limit: MemoryLimit = Field(default_factory=default_limit)
    # Who stages batches: processes of this machine, or the workers of a cluster.
    runner: Literal["local", "dask", "ray"] = "local"
    runner_address: ClusterAddress | None = None
    data_docs: Literal["never", "violations", "always"] = "violations"
    publish: dict[MartName, PublishRule] = Field(default_factory=dict)
    publish_group: GroupName | None = None
    publish_url: WebAddress | None = None
    # Each page is a file of some 40 kB, and a folder of more is slow to copy. Who is left out is packed, and drawn by one page.
    customer_pages: int = Field(default=2_000, ge=0, le=100_000)
    notify_url: SecretStr | None = None
    stuck_after_minutes: int = Field(default=60, ge=1)
    # A quarter of failures to look back on; the books of a server at rest then stay of one size.
    keep_runs_days: int = Field(default=90, ge=1, le=3_650)
    sinks: dict[SinkName, AnySink] = Field(default_factory=_files_only)

    @model_validator(mode="after")
    def _readers_can_get_there(self) -> Settings:
        """The home is its owner's alone, so nobody else would get to a folder in it."""
        if self.publish_to is not None and self.home in self.publish_to.parents:
            raise ValueError(
                f"publish_to: {self.publish_to} lies in the home, which nobody else may enter; name a folder outside it"
            )
        return self

    @model_validator(mode="after")
    def _a_cluster_has_an_address(self) -> Settings:
        if self.runner == "local":
            return self
        if self.runner_address is None:
            raise ValueError(
                f"runner: {self.runner} needs the address of its cluster; name it as runner_address (VALUEMART_RUNNER_ADDRESS)"
            )
        if not self.runner_address.startswith(tuple(f"{each}://" for each in CLUSTER_SCHEMES[self.runner])):
            raise ValueError(
                f"runner_address: {self.runner_address} is no address of a cluster of {self.runner}'s"
            )
        return self

    @property
    def warehouse_at(self) -> Warehouse:
        """Where the warehouse is: the home's own file, or a lake. UsageError where its password cannot be read."""
        return warehouse_of(self.warehouse, self.home, self.warehouse_data)

    @property
    def shows_live(self) -> bool:
        """Whether the warehouse itself is to show the mart; a file does not, since readers would hold up its runs."""
        return self.publish_lake_mart and self.warehouse != IN_A_FILE

    def apart(self, home: Path) -> Settings:
        """The same settings for a home that is thrown away, its warehouse a file in it, wherever this one lies."""
        return self.model_copy(update={"home": home, "warehouse": IN_A_FILE, "data_docs": "never"})

    def moved(self, warehouse: str, data: Path | str | None) -> Settings:
        """The same settings with the warehouse elsewhere, its URL checked."""
        return self.model_copy(update={"warehouse": warehouse, "warehouse_data": data})

    @property
    def shares(self) -> tuple[Share, ...]:
        """The further marts to publish."""
        from warehouse.mart.share import Share

        return tuple(
            Share(name, rule.companies, rule.drop, rule.mask) for name, rule in sorted(self.publish.items())
        )

    @property
    def readers(self) -> Readers:
        """Who may read what is published: the members of `publish_group`, or nobody but the home's owner."""
        return Readers(None if self.publish_group is None else grp.getgrnam(self.publish_group).gr_gid)

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
