"""The section `pull` of a profile: how an ERP's database is read; the queries themselves are files beside the profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def one_statement(sql: str) -> str:
    """A statement without the semicolon at its end."""
    return sql.strip().rstrip(";").rstrip()


Statement = Annotated[str, AfterValidator(one_statement)]


class _Delivered(Protocol):
    """What of a profile's resource the section has to fit."""

    @property
    def mode(self) -> str | None: ...

    @property
    def required(self) -> bool: ...


class PulledResource(BaseModel):
    """How one resource is read: whole each time, by its own watermark column, or together with another resource."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    watermark: str | None = None
    since: str | None = None
    when: Statement | None = None


class Pull(BaseModel):
    """The `pull:` section of a profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clock: Statement
    resources: Mapping[str, PulledResource] = Field(min_length=1)
    keys: tuple[str, ...] = ()

    def check(self, resources: Mapping[str, _Delivered], tables: Iterable[str]) -> None:
        """ValueError where the section does not fit the profile around it."""
        for name, pulled in self.resources.items():
            place = f"pull.resources.{name}"
            if name not in resources:
                raise ValueError(f"{place}: there is no such resource")
            if pulled.watermark and pulled.since:
                raise ValueError(
                    f"{place}: name a watermark column, or the resource it is read with; not both"
                )
            if pulled.since and not self.resources.get(pulled.since, PulledResource()).watermark:
                raise ValueError(f"{place}.since: {pulled.since!r} is no pulled resource with a watermark")
            if (pulled.watermark or pulled.since) and resources[name].mode == "full_snapshot":
                raise ValueError(
                    f"{place}: a full snapshot is read whole; a part of it would delete the rest"
                )
            if pulled.when and resources[name].required:
                raise ValueError(f"{place}.when: the resource is required")
        for name, resource in resources.items():
            if resource.required and name not in self.resources:
                raise ValueError(f"pull.resources: lacks {name}, which a batch must hold")
        for table in self.keys:
            if table not in tables:
                raise ValueError(f"pull.keys: {table!r} is not one of the tables")

    def clocked_by(self, resource: str) -> str | None:
        """The resource whose watermark says from where on this one is read; None where it is read whole."""
        pulled = self.resources[resource]
        return resource if pulled.watermark else pulled.since
