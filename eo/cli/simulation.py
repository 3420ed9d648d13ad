"""Commands of the simulator and of the judge."""

from __future__ import annotations

import enum
import logging
from pathlib import Path
from typing import Annotated

import typer

from eo.cli.console import Workers, app, bars
from eo.core.errors import CampaignError
from eo.core.logs import configure_logs

__all__ = ["SimSensor", "score", "simulate"]


class SimSensor(enum.StrEnum):
    """Sensors that can be simulated."""

    planetscope = "planetscope"
    sentinel_2 = "sentinel-2"
    both = "both"


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to render into.", metavar="OUT")],
    days: Annotated[int, typer.Option(min=1, help="Days of the season.")] = 40,
    looks: Annotated[int | None, typer.Option(min=1, help="Number of scenes.")] = None,
    sensor: Annotated[SimSensor, typer.Option(help="Which sensors look.")] = SimSensor.planetscope,
    size: Annotated[
        int, typer.Option(min=120, help="Side of the scene, in pixels of the finest sensor.")
    ] = 500,
    berths: Annotated[int, typer.Option(min=1, max=6, help="Number of berths.")] = 3,
    clouds: Annotated[float, typer.Option(min=0, max=1, help="Share of cloudy looks.")] = 0.4,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 1,
    workers: Workers = None,
) -> None:
    """Render a campaign of known truth: COG, STAC, campaign.yaml, fleet.csv and truth.json."""
    from eo.engine.local import worker_count
    from eo.sim import SimOptions
    from eo.sim import simulate as render

    configure_logs()
    options = SimOptions(
        days=days,
        looks=looks,
        sensor=sensor.value,
        size=size,
        berths=berths,
        clouds=clouds,
        seed=seed,
    )
    with bars(quiet=False) as progress:
        folder = render(
            out,
            options,
            workers=workers or worker_count(),
            progress=lambda done, total: progress("render", done, total),
        )
    typer.echo(f"rendered: {folder / 'campaign.yaml'}")


@app.command()
def score(
    run_folder: Annotated[
        list[Path],
        typer.Argument(
            help="Run folder, then its truth.json or labels.geojson.", metavar="RUN TRUTH"
        ),
    ],
) -> None:
    """Hold runs against truth.json or labelled outlines: RUN TRUTH [RUN TRUTH ...]."""
    from eo.sim import format_score, score_many

    logging.getLogger("eo").setLevel(logging.WARNING)
    if len(run_folder) < 2 or len(run_folder) % 2:
        raise CampaignError(
            f"eo score takes pairs RUN TRUTH, found {len(run_folder)} paths; "
            "as in: eo score runs/port ../labels.geojson"
        )
    pairs = list(zip(run_folder[::2], run_folder[1::2], strict=True))
    typer.echo(format_score(score_many(pairs)))
