"""Install a lock into the environment of the Python that runs this: by uv, which takes seconds, else by pip, which takes minutes.

    .venv/bin/python deploy/install.py requirements-dev.lock

With --lock-only the lock alone, for an image whose layers part what seldom changes from what often does. With --compile-bytecode
all of it compiled, for where Python may not keep what it compiles: each process would do it anew, which takes seconds.

uv comes by pip and by hash (requirements-install.lock), and is told what pip is told: indexes, certificates, time-outs and
proxies of pip's own configuration and variables. With nothing but the standard library, since nothing is there yet.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV_LOCK = ROOT / "requirements-install.lock"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
LOCKED = ("--require-hashes", "--no-deps")
LOCK_ONLY, COMPILE = "--lock-only", "--compile-bytecode"

# What pip calls it to what uv calls it; both take several values, pip by lines and uv by blanks.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "proxy": "ALL_PROXY",
    "cache-dir": "UV_CACHE_DIR",
}


def main() -> int:
    """Install the lock and then, if not told otherwise, this project itself; the exit code of what failed."""
    asked = {given for given in sys.argv[1:] if given in {LOCK_ONLY, COMPILE}}
    (lock,) = (given for given in sys.argv[1:] if given not in asked)
    steps = _steps(lock)[: 1 if LOCK_ONLY in asked else None]
    pip_says = subprocess.run((*PIP, "config", "list"), capture_output=True, text=True, check=False).stdout
    environment = {**uv_settings(pip_says), **os.environ}
    if not (_uv_is_there() and _by_uv(steps, environment, compiled=COMPILE in asked)):
        sys.stderr.write("installing by pip, which takes minutes\n")
        for arguments in steps:
            if code := subprocess.run((*PIP, "install", "-qq", *arguments), check=False).returncode:
                return code
    checked = subprocess.run((*PIP, "check"), capture_output=True, text=True, check=False)
    if checked.returncode:
        sys.stderr.write(checked.stdout)
    return checked.returncode


def _steps(lock: str) -> list[tuple[str, ...]]:
    """The lock, then the project: built by the lock's own setuptools, if it has one, without asking a registry."""
    own = ("--no-build-isolation",) if "\nsetuptools==" in Path(lock).read_text(encoding="utf-8") else ()
    return [(*LOCKED, "-r", lock), (*own, "--no-deps", "--editable", str(ROOT))]


def uv_settings(pip_says: str) -> dict[str, str]:
    """The variables that tell uv what `pip config list` says; a variable of pip's wins over its files, as it does for pip."""
    ranked: dict[str, tuple[int, str]] = {}
    for line in pip_says.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        rank = {"global": 1, "install": 2, ":env:": 3}.get(section, 0)
        if rank > ranked.get(option, (0, ""))[0]:
            ranked[option] = rank, " ".join(str(ast.literal_eval(value)).split())
    settings = {UV_NAMES[option]: value for option, (_, value) in ranked.items() if option in UV_NAMES}
    # pip asks all its indexes alike; whatever they give must have a hash of the lock.
    return {**settings, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def _uv_is_there() -> bool:
    done = subprocess.run(
        (*PIP, "install", "-qq", *LOCKED, "-r", str(UV_LOCK)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(f"uv cannot be had: {_last_line(done.stderr)}\n")
    return not done.returncode


def _by_uv(steps: Sequence[Sequence[str]], environment: Mapping[str, str], *, compiled: bool) -> bool:
    uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--python", sys.executable)
    if compiled:
        uv += (COMPILE,)
    for arguments in steps:
        done = subprocess.run((*uv, *arguments), env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.stderr.write(f"uv cannot install {arguments[-1]}: {_last_line(done.stderr)}\n")
            return False
    return True


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


if __name__ == "__main__":
    sys.exit(main())
