"""Where things lie and how a run behaves: `VALUEMART_*` variables over `valuemart.toml` over defaults.

A wrong setting is said with its key and where it was set, before anything is touched.
"""

from flows.settings.days import aware, require_in_reach, yesterday
from flows.settings.errors import SettingsError
from flows.settings.loading import environment, load
from flows.settings.model import Settings

__all__ = ["Settings", "SettingsError", "aware", "environment", "load", "require_in_reach", "yesterday"]
