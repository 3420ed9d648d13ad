"""Campaigns of known truth: the judge of the whole flow.

::

    from eo.sim import SimOptions, simulate
    simulate(Path("demo"), SimOptions(days=40, clouds=0.4))

writes demo/campaign.yaml, fleet.csv, berths.geojson, catalog.json, one folder per scene, and
truth.json. Nothing of the estimator is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eo.sim.campaign import simulate
    from eo.sim.options import Nuisances, SimOptions

__all__ = ["Nuisances", "SimOptions", "simulate"]

_HOMES = {"Nuisances": "options", "SimOptions": "options", "simulate": "campaign"}


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
