"""What a lock brings in: known advisories against it (`audit`), and its bill of materials (`sbom`).

    python deploy/supply_chain.py audit requirements.lock
    python deploy/supply_chain.py sbom requirements.lock > valuemart.cdx.json

With nothing but the standard library, so that it needs nothing that it would have to audit. Advisories come from OSV
(https://osv.dev), which holds those of PyPA and GitHub; OSV_URL names a mirror. The bill is CycloneDX 1.6, and the same for the
same lock.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
OSV = "https://api.osv.dev"
# What OSV takes in one request.
MOST_AT_ONCE = 1000
PATIENCE_SECONDS = 30

# Nothing known; something known; nobody could be asked, which is neither.
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3

_PINNED = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)\s*(;\s*(?P<marker>[^\\]+?))?\s*\\?$"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A package of a lock: its version, where it is needed (None: everywhere), the hashes of its files."""

    name: str
    version: str
    marker: str | None = None
    hashes: list[str] = field(default_factory=list)

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{self.version}"


def read_lock(text: str) -> list[Pinned]:
    """The packages of a lock, in its order; ValueError for a line that pins none."""
    packages: list[Pinned] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if found := _PINNED.match(stripped):
            packages.append(Pinned(found["name"], found["version"], found["marker"]))
        elif packages and (sha256 := _HASH.match(stripped)):
            packages[-1].hashes.append(sha256[1])
        else:
            raise ValueError(f"line {number} pins no package: {stripped}")
    return packages


def advisories(packages: Sequence[Pinned], url: str) -> dict[str, list[str]]:
    """The ids of the advisories on each package that has some, by its package URL. OSError if nobody can be asked."""
    found: dict[str, list[str]] = {}
    for start in range(0, len(packages), MOST_AT_ONCE):
        asked = [(each, None) for each in packages[start : start + MOST_AT_ONCE]]
        while asked:
            results = _ask(url, asked)
            again = []
            for (package, _), result in zip(asked, results, strict=True):
                if ids := [each["id"] for each in result.get("vulns") or ()]:
                    found.setdefault(package.purl, []).extend(ids)
                if token := result.get("next_page_token"):
                    again.append((package, token))
            asked = again
    return found


def _ask(url: str, asked: Sequence[tuple[Pinned, str | None]]) -> list[dict[str, Any]]:
    queries = [
        {"package": {"purl": package.purl}} | ({"page_token": token} if token else {})
        for package, token in asked
    ]
    request = Request(
        f"{url}/v1/querybatch",
        data=json.dumps({"queries": queries}).encode(),
        headers={"content-type": "application/json"},
    )
    with urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        try:
            return list(json.load(answer)["results"])
        except (ValueError, KeyError, TypeError) as error:
            raise OSError(f"{url} answered something else than advisories") from error


def audit(lock: Path, url: str) -> int:
    """Print the advisories on a lock, a line each; whether there are any, or nobody could be asked."""
    packages = read_lock(lock.read_text(encoding="utf-8"))
    try:
        found = advisories(packages, url)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"NOT AUDITED: {url} cannot be asked ({error}); {lock.name} may hold anything\n")
        return UNKNOWN
    for package in packages:
        for advisory in sorted(found.get(package.purl, ())):
            print(f"{package.name} {package.version}: {advisory} https://osv.dev/vulnerability/{advisory}")
    known = sum(map(len, found.values()))
    print(f"{lock.name}: {len(packages)} packages asked about, {known or 'no'} known advisories")
    return VULNERABLE if known else CLEAN


def bill(packages: Sequence[Pinned], project: Mapping[str, Any]) -> dict[str, Any]:
    """The CycloneDX document of a lock: the project and each package, with the hashes of its files."""
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    content = json.dumps([own, *((each.purl, each.hashes) for each in packages)])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
            }
        },
        "components": [_component(each) for each in packages],
        "dependencies": [{"ref": own, "dependsOn": [each.purl for each in packages]}],
    }


def _component(package: Pinned) -> dict[str, Any]:
    """A package; its hashes are of the files of which an installation takes one."""
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "externalReferences": [
            {
                "type": "distribution",
                "url": package.purl,
                "hashes": [{"alg": "SHA-256", "content": each} for each in package.hashes],
            }
        ],
        **({"properties": [{"name": "valuemart:marker", "value": package.marker}]} if package.marker else {}),
    }


def sbom(lock: Path) -> int:
    """Print the bill of materials of a lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print(json.dumps(bill(read_lock(lock.read_text(encoding="utf-8")), project), indent=2))
    return CLEAN


def main() -> int:
    """Do what is asked for by the first argument, with the lock that the second one names."""
    match sys.argv[1:]:
        case ["audit", lock]:
            return audit(Path(lock), os.environ.get("OSV_URL", OSV))
        case ["sbom", lock]:
            return sbom(Path(lock))
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
