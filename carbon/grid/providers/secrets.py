"""Tokens of providers: they come from the environment, and leave this process in requests alone."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, quote_plus

from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "[hidden]"
_LOGGERS = ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection", "requests")


class Secret(NamedTuple):
    """A secret of a provider: what it is called, and the environment variables that may hold it, the first one first."""

    name: str
    variables: tuple[str, ...]


def of_environment(secret: Secret, environment: Mapping[str, str]) -> str:
    """The value of a secret; empty when no variable holds one. Raises UsageError for what cannot be a token."""
    for variable in secret.variables:
        text = environment.get(variable, "").strip()
        if text and not (text.isascii() and text.isprintable()):
            raise UsageError(f"{variable} holds characters that no {secret.name} has; set it again")
        if text:
            return text
    return ""


class Hider(logging.Filter):
    """Puts a mark in the place of secrets: in texts, and in what the libraries beneath log while it is installed."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Hide these from the beginning; `add` names more."""
        super().__init__()
        self._forms: set[str] = set()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Hide more secrets, in each form in which they may stand in a text."""
        for secret in filter(None, secrets):
            encoded = base64.b64encode(secret.encode()).decode()
            forms = secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], encoded
            self._forms.update(forms)

    def clean(self, text: str) -> str:
        """The text with a mark for each secret."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a log record on its way."""
        record.msg, record.args, record.exc_info = self.clean(record.getMessage()), (), None
        return True

    def install(self) -> None:
        """Clean what the libraries beneath log from now on."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def uninstall(self) -> None:
        """Leave their loggers as they were."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)
