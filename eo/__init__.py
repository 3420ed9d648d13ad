"""Counts tankers and weighs their cargo from open satellite scenes, with error bars.

``eo.run("campaign.yaml")`` runs a campaign, ``eo.open_run(folder)`` opens a finished one,
``eo.cloud_mask(image)`` masks cloud and cloud shadow. Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eo.flow import run
    from eo.results import Run, open_run
    from eo.stages.mask import cloud_mask

__all__ = ["Run", "__version__", "cloud_mask", "open_run", "run"]

_HOMES = {
    "Run": "eo.results",
    "cloud_mask": "eo.stages.mask",
    "open_run": "eo.results",
    "run": "eo.flow",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("eo-freeboard")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'eo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
