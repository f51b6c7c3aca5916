"""How much memory this process holds, and held at most since that was last forgotten."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def forget_peak() -> int:
    """Let the peak be that of what follows alone; the bytes that the process holds already."""
    with suppress(OSError):  # the peak is then that of all so far, which is stricter
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS") or peak()


def peak() -> int:
    """The most bytes since the peak was forgotten, or ever where the system does not tell."""
    import resource

    return _memory("VmHWM") or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _memory(name: str) -> int | None:
    """A figure of this process in bytes; None where the system does not tell."""
    try:
        return 1024 * int(
            Path("/proc/self/status").read_text(encoding="ascii").split(f"{name}:")[1].split()[0]
        )
    except (OSError, IndexError):
        return None
