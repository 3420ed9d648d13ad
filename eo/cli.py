"""The command line: parses, calls one library function, prints."""

from __future__ import annotations

import enum
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

# One thread per worker: NumPy reads this when it is first imported, which is after this line.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

from eo.core.errors import EoError  # noqa: E402
from eo.core.logs import configure_logs  # noqa: E402

__all__ = ["app", "main"]

app = typer.Typer(
    help="Counts tankers and weighs their cargo from open satellite scenes, with error bars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_console = Console(stderr=True, highlight=False)

Campaigns = Annotated[list[Path], typer.Argument(help="Campaign files.", metavar="CAMPAIGN.yaml")]
OneCampaign = Annotated[Path, typer.Argument(help="Campaign file.", metavar="CAMPAIGN.yaml")]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the run; with several campaigns DIR/NAME.",
        metavar="DIR",
        envvar="EO_OUTPUT",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="threads, serial, processes, cuda, or tcp://HOST:PORT of a Dask scheduler.",
        envvar="EO_ENGINE",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu or gpu.", envvar="EO_DEVICE")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Threads or processes; by default one per core.")
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log JSON lines, without a bar.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log what is done, in detail.")]
RunFolderArgument = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]


class SimSensor(enum.StrEnum):
    """Sensors that can be simulated."""

    planetscope = "planetscope"
    sentinel_2 = "sentinel-2"
    both = "both"


def main() -> None:
    """Run the command; errors raised on purpose become a message and an exit code."""
    try:
        app()
    except EoError as error:
        _console.print(f"[bold red]error:[/] {_plain(error)}", soft_wrap=True)
        sys.exit(error.exit_code if error.exit_code != 3 else 1)
    except KeyboardInterrupt:
        _console.print("stopped; what is done is kept, and the same command goes on from there")
        sys.exit(1)


def _plain(value: object) -> str:
    return str(value).replace("[", r"\[")


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar per stage on a terminal."""
    if quiet or not _console.is_terminal:
        yield lambda *_: None
        return
    bars: dict[str, Any] = {}
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=_console) as progress:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=None)
            progress.update(bars[stage], completed=done, total=total or None)

        yield show


def _load(paths: list[Path], output: Path | None) -> list[Any]:
    """Check every campaign before the first one runs."""
    from eo.core.config import load_campaign

    if len(paths) == 1:
        return [load_campaign(paths[0], output=output)]
    campaigns = [load_campaign(path) for path in paths]
    if output is not None:
        campaigns = [
            load_campaign(path, output=output / campaign.name)
            for path, campaign in zip(paths, campaigns, strict=True)
        ]
    _refuse_shared_folders(campaigns)
    return campaigns


def _refuse_shared_folders(campaigns: list[Any]) -> None:
    from eo.core.errors import CampaignError

    seen: dict[str, str] = {}
    for campaign in campaigns:
        if campaign.output in seen:
            raise CampaignError(
                f"campaigns {seen[campaign.output]} and {campaign.name} share the output "
                f"{campaign.output}; give each its own"
            )
        seen[campaign.output] = campaign.name


def _run_all(
    paths: list[Path],
    output: Path | None,
    *,
    log_json: bool,
    verbose: bool,
    **options: Any,
) -> None:
    from eo import flow

    configure_logs(json_lines=log_json, verbose=verbose)
    codes = []
    for campaign in _load(paths, output):
        with _bars(quiet=log_json) as progress:
            done = flow.run(campaign, progress=progress, **options)
        codes.append(done.exit_code)
        _summary(campaign.name, done)
    raise typer.Exit(max(codes, default=0))


def _summary(name: str, done: Any) -> None:
    scenes = done.scenes
    status = ", ".join(
        f"{count} {key}" for key, count in sorted(scenes["status"].value_counts().items())
    )
    whole = done.totals.set_index("period").loc["all"]
    typer.echo(f"{name}: {len(scenes)} scenes ({status}); {len(done.detections)} vessels seen")
    typer.echo(
        f"  port calls seen: {whole['calls_seen']}, by at least {whole['vessels_seen']} vessels"
    )
    typer.echo(f"  barrels seen: {_interval(whole, 'barrels_seen')}")
    typer.echo(f"  barrels likely: {_interval(whole, 'barrels_est')}")
    for _, scene in scenes[scenes["status"] == "failed"].iterrows():
        typer.echo(f"  failed: {scene['scene_id']}: {scene['reason']}")
    typer.echo(f"  report: {done.report}")


def _interval(row: Any, key: str) -> str:
    values = [row[f"{key}_p{p}"] for p in ("05", "50", "95")]
    if any(value is None or value != value for value in values):  # noqa: PLR0124 - NaN
        return "cannot be said"
    return f"{values[1]:,.0f} ({values[0]:,.0f} to {values[2]:,.0f}, 90 %)"


@app.command()
def run(
    campaigns: Campaigns,
    output: Output = None,
    engine: Engine = "threads",
    device: Device = "auto",
    workers: Workers = None,
    log_json: LogJson = False,
    verbose: Verbose = False,
) -> None:
    """Run campaigns from search to report; on an existing folder, go on with it."""
    _run_all(
        campaigns,
        output,
        engine=engine,
        device=device,
        workers=workers,
        log_json=log_json,
        verbose=verbose,
    )


@app.command()
def reprocess(
    campaigns: Campaigns,
    output: Output = None,
    engine: Engine = "threads",
    device: Device = "auto",
    workers: Workers = None,
    refresh_reference: Annotated[
        bool, typer.Option("--refresh-reference", help="Learn the empty port anew.")
    ] = False,
    log_json: LogJson = False,
    verbose: Verbose = False,
) -> None:
    """Do what is new or changed since the last run, and nothing else."""
    _run_all(
        campaigns,
        output,
        engine=engine,
        device=device,
        workers=workers,
        refresh_reference=refresh_reference,
        log_json=log_json,
        verbose=verbose,
    )


@app.command()
def plan(campaign: OneCampaign, output: Output = None) -> None:
    """Search, and say what a run would do; do none of it. Writes plan.geojson."""
    from eo import session

    configure_logs()
    (asked,) = _load([campaign], output)
    summary = session.plan(asked)
    table = Table("group", "scenes", "tiles", "to read", "read before", "grid", title=asked.name)
    for group in summary["groups"]:
        table.add_row(
            *(str(group[key]) for key in ("group", "scenes", "tiles", "todo", "done", "grid"))
        )
    Console().print(table)
    typer.echo(
        f"skipped: {summary['skipped']}, failed: {summary['failed']}; map: {summary['geojson']}"
    )


@app.command(name="search")
def search_command(
    campaign: OneCampaign,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a scene a line.")] = False,
) -> None:
    """List a campaign's scenes, one row an item, with status and reason."""
    from eo import session
    from eo.core.records import Scene, to_json

    configure_logs()
    (asked,) = _load([campaign], None)
    with _bars(quiet=as_json) as progress:
        scenes = session.search(asked, progress=progress)
    if as_json:
        for scene in scenes:
            typer.echo(json.dumps(to_json(Scene, scene)))
        return
    table = Table("scene", "time", "sensor", "sun", "off-nadir", "status", title=asked.name)
    for scene in scenes:
        table.add_row(
            _plain(scene.scene_id),
            f"{scene.datetime:%Y-%m-%d %H:%M}" if scene.datetime else "unknown",
            f"{scene.sensor} {scene.gsd_m:g} m",
            "" if scene.sun_elevation_deg is None else f"{scene.sun_elevation_deg:.0f}°",
            "" if scene.off_nadir_deg is None else f"{scene.off_nadir_deg:.1f}°",
            _plain(scene.status + (f": {scene.reason}" if scene.reason else "")),
        )
    Console().print(table)


@app.command()
def report(campaign: OneCampaign, output: Output = None) -> None:
    """Write report.html of a finished run again."""
    from eo.access.folder import RunFolder
    from eo.finish import rewrite_report
    from eo.results import open_run

    configure_logs()
    (asked,) = _load([campaign], output)
    finished = open_run(asked.output)
    rewrite_report(asked, RunFolder(asked.output))
    typer.echo(finished.report)


@app.command()
def export(
    folder: RunFolderArgument,
    zarr: Annotated[Path, typer.Option("--zarr", help="Where the plain Zarr 3 goes.")],
) -> None:
    """Write a run's cube as plain Zarr 3, which xarray opens without Icechunk."""
    from eo.results import export_zarr, open_run

    configure_logs()
    for group in export_zarr(open_run(folder), zarr):
        typer.echo(f"{zarr}/{group}")


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
    with _bars(quiet=False) as progress:
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
    from eo.core.errors import CampaignError
    from eo.sim import format_score, score_many

    logging.getLogger("eo").setLevel(logging.WARNING)
    if len(run_folder) < 2 or len(run_folder) % 2:
        raise CampaignError(
            f"eo score takes pairs RUN TRUTH, found {len(run_folder)} paths; "
            "as in: eo score runs/port ../labels.geojson"
        )
    pairs = list(zip(run_folder[::2], run_folder[1::2], strict=True))
    typer.echo(format_score(score_many(pairs)))
