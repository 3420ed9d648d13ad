"""Keeps credentials out of what is said and stored.

Addresses lose user, password and query before they are written anywhere; this is the second
line behind that: every log line, reason and error message passes through :func:`redacted`.
"""

from __future__ import annotations

import os
import re

__all__ = ["redacted"]

_USER = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@\"'<>]*@")
_QUERY = re.compile(r"(?P<plain>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s?#\"'<>]*)\?[^\s\"'<>)\]}]*")
_BEARER = re.compile(
    r"(?i)\b(?P<word>bearer|basic|api-key|authorization:?)\s+[A-Za-z0-9._~+/=-]{8,}"
)
_SECRET_NAME = re.compile(r"(?i)(secret|password|passwd|token|api_?key|subscription_key|sas)")
_SHORTEST = 8
"""Values shorter than this are too common to be taken out of messages."""


def redacted(text: str) -> str:
    """Return text without credentials in addresses, headers, or known from the environment."""
    if "://" in text:
        text = _QUERY.sub(r"\g<plain>", _USER.sub(r"\g<scheme>", text))
    text = _BEARER.sub(r"\g<word> ***", text)
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and value in text and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return text
