"""What is said, in English and in Chinese: words, numbers, and reasons from their codes and figures."""

from typing import Final

MINUS: Final = "\u2212"
