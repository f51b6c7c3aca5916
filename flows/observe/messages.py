"""Messages to people: JSON with one `text`, as chat systems take it, posted to the webhook of the settings.

The address is a secret: no error names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import ServerError

if TYPE_CHECKING:
    from pydantic import SecretStr

TIMEOUT_SECONDS = 10


def send(url: SecretStr, text: str) -> None:
    """Post a text; ServerError, without the address, where it is not taken."""
    import httpx

    try:
        answer = httpx.post(url.get_secret_value(), json={"text": text}, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise ServerError(f"the webhook for messages does not answer: {type(error).__name__}") from None
    except httpx.InvalidURL:
        raise ServerError(
            "the webhook for messages has no address that can be called; see notify_url"
        ) from None
    if not answer.is_success:
        raise ServerError(f"the webhook for messages answered {answer.status_code}")
