"""Identity of work: equal inputs give equal names, so that a retry overwrites itself."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["fingerprint"]


def fingerprint(**inputs: Any) -> str:
    """Return the hex digest (32 digits) of JSON-able `inputs`, whatever their order."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
