"""The version of the rules: whoever changes what a figure means raises it, with a line `rules_version N: …` in the CHANGELOG.

The first run under a new version rates the latest period anew, as under another policy; closed periods keep what was said of
them, unless a person asks for them anew (`valuemart restate`).
"""

from typing import Final

FIRST: Final = 1
"""The version of ratings that do not say which: they were made before it was kept."""

RULES_VERSION: Final = 2
