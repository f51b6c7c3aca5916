"""`deploy/supply_chain.py`: what is known against the lock, and its bill of materials."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"


@pytest.fixture(scope="module")
def chain() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("supply_chain", ROOT / "deploy" / "supply_chain.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["supply_chain"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["supply_chain"]


@contextmanager
def database(known: dict[str, list[list[str]]], answer: bytes | None = None) -> Iterator[str]:
    """An advisory database that knows these advisories, page by page, by the package's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
            body = answer or json.dumps({"results": [self._page(each) for each in queries]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def _page(self, query: dict[str, Any]) -> dict[str, Any]:
            pages, page = known.get(query["package"]["purl"], []), int(query.get("page_token", 0))
            found = {"vulns": [{"id": each} for each in pages[page]]} if pages else {}
            return found | ({"next_page_token": str(page + 1)} if page + 1 < len(pages) else {})

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_every_package_of_the_locks_is_read_with_its_version_and_hashes(chain: ModuleType) -> None:
    for file in ROOT.glob("requirements*.lock"):
        text = file.read_text(encoding="utf-8")
        packages = chain.read_lock(text)
        begun = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert len(packages) == len(begun)
        assert sum(len(each.hashes) for each in packages) == text.count("--hash=sha256:")
        assert all(each.hashes for each in packages)


def test_a_line_that_pins_nothing_is_not_passed_over(chain: ModuleType) -> None:
    with pytest.raises(ValueError, match="line 2 pins no package"):
        chain.read_lock("# a lock\nrequests>=2\n")


@pytest.mark.parametrize(
    ("known", "code", "said"),
    [
        ({}, 0, "2 packages asked about, no known advisories"),
        (
            {"pkg:pypi/some-package@1.0": [["GHSA-2"], ["GHSA-1"]]},
            1,
            "Some_Package 1.0: GHSA-1 https://osv.dev/vulnerability/GHSA-1\nSome_Package 1.0: GHSA-2 https://osv.dev/",
        ),
    ],
)
def test_advisories_are_told_a_line_each_page_by_page(
    chain: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    known: dict[str, list[list[str]]],
    code: int,
    said: str,
) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(
        f"Some_Package==1.0 \\\n    --hash=sha256:{'0' * 64}\nother==2 ; python_version < '3.12'\n"
    )
    with database(known) as url:
        assert chain.audit(lock, url) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("answer", [b"<html>log in</html>", b"{}", None])
def test_a_database_that_cannot_be_asked_is_told_plainly_and_is_no_success(
    chain: ModuleType, capsys: pytest.CaptureFixture[str], answer: bytes | None
) -> None:
    if answer is None:
        code = chain.audit(LOCK, "http://127.0.0.1:9")
    else:
        with database({}, answer) as url:
            code = chain.audit(LOCK, url)
    told = capsys.readouterr()
    assert (code, told.out) == (3, "")
    assert told.err.startswith("NOT AUDITED: http://127.0.0.1:")
    assert told.err.count("\n") == 1


def test_the_bill_lists_every_package_once_and_is_the_same_for_the_same_lock(
    chain: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chain.sbom(LOCK) == 0
    first = capsys.readouterr().out
    assert chain.sbom(LOCK) == 0
    assert capsys.readouterr().out == first

    made = json.loads(first)
    packages = chain.read_lock(LOCK.read_text(encoding="utf-8"))
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert [each["purl"] for each in made["components"]] == [each.purl for each in packages]
    refs = [each["bom-ref"] for each in made["components"]]
    assert len(set(refs)) == len(refs)
    (of_the_project,) = made["dependencies"]
    assert of_the_project["ref"] == made["metadata"]["component"]["bom-ref"]
    assert of_the_project["dependsOn"] == refs
    assert {"duckdb", "polars", "prefect"} <= {each["name"] for each in made["components"]}
