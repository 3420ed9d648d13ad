"""Campaigns of known truth: the judge of the whole flow.

::

    from eo.sim import SimOptions, simulate
    simulate(Path("demo"), SimOptions(days=40, clouds=0.4))

writes demo/campaign.yaml, fleet.csv, berths.geojson, catalog.json, one folder per scene, and
truth.json. A finished run is held against it, or against outlines drawn by people::

    from eo.sim import format_score, score
    print(format_score(score("demo/run", "demo/truth.json")))

Nothing of the estimator is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eo.sim.campaign import simulate
    from eo.sim.judge import Score, score, score_many
    from eo.sim.options import Nuisances, SimOptions
    from eo.sim.verdict import format_score

__all__ = ["Nuisances", "Score", "SimOptions", "format_score", "score", "score_many", "simulate"]

_HOMES = {
    "Nuisances": "options",
    "Score": "judge",
    "SimOptions": "options",
    "format_score": "verdict",
    "score": "judge",
    "score_many": "judge",
    "simulate": "campaign",
}


def __getattr__(name: str) -> Any:
    """Import on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
