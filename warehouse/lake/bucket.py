"""A place of a lake's files in an object store. Settings name one, and nothing else is loaded for that."""

from __future__ import annotations

from dataclasses import dataclass

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in a store that speaks S3: `url` is s3://bucket/prefix; `endpoint` the store's own address (https://host:port), None for AWS's.

    Who may read and write there is found as every client of AWS finds it: variables, profiles, the machine's or container's role.
    """

    url: str
    endpoint: str | None = None

    def __str__(self) -> str:
        """The URL, which holds no secret."""
        return self.url
