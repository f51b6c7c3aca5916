"""Reading a secret: from a variable or a file that the settings name, never from the settings themselves."""

from __future__ import annotations

import os
from pathlib import Path

from flows.settings.errors import SettingsError


def secret_of_sink(name: str, key: str, *, variable: str | None, file: Path | None) -> str:
    """The secret of a sink; SettingsError where the variable or the file is empty, or cannot be read."""
    if variable is not None:
        found = os.environ.get(variable, "")
        place = f"the variable {variable}"
    else:
        place = f"the file {file}"
        try:
            found = Path(file or "").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"sink {name}: {key}_file: {place} cannot be read ({error})") from error
    if not found:
        raise SettingsError(f"sink {name}: {place} is empty or not set; it must hold the {key}")
    return found
