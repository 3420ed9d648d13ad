# ruff: noqa: PLR0917 - a command's options are its parameters
"""Commands that take a campaign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from eo.cli.console import (
    Campaigns,
    Device,
    Engine,
    LogJson,
    OneCampaign,
    Output,
    Verbose,
    Workers,
    app,
    bars,
    plain,
)
from eo.core.logs import configure_logs

__all__ = ["plan", "report", "reprocess", "run", "search_command", "summary"]


def _load(paths: list[Path], output: str | None) -> list[Any]:
    """Check every campaign before the first one runs."""
    from eo.core.config import load_campaign

    if len(paths) == 1:
        return [load_campaign(paths[0], output=output)]
    campaigns = [load_campaign(path) for path in paths]
    if output is not None:
        campaigns = [
            load_campaign(path, output=f"{output.rstrip('/')}/{campaign.name}")
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
    output: str | None,
    *,
    log_json: bool,
    verbose: bool,
    **options: Any,
) -> None:
    from eo import flow

    configure_logs(json_lines=log_json, verbose=verbose)
    codes = []
    for campaign in _load(paths, output):
        with bars(quiet=log_json) as progress:
            done = flow.run(campaign, progress=progress, **options)
        codes.append(done.exit_code)
        summary(campaign.name, done)
    raise typer.Exit(max(codes, default=0))


def summary(name: str, done: Any) -> None:
    """Print what a run found."""
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
    with bars(quiet=as_json) as progress:
        scenes = session.search(asked, progress=progress)
    if as_json:
        for scene in scenes:
            typer.echo(json.dumps(to_json(Scene, scene)))
        return
    table = Table("scene", "time", "sensor", "sun", "off-nadir", "status", title=asked.name)
    for scene in scenes:
        table.add_row(
            plain(scene.scene_id),
            f"{scene.datetime:%Y-%m-%d %H:%M}" if scene.datetime else "unknown",
            f"{scene.sensor} {scene.gsd_m:g} m",
            "" if scene.sun_elevation_deg is None else f"{scene.sun_elevation_deg:.0f}°",
            "" if scene.off_nadir_deg is None else f"{scene.off_nadir_deg:.1f}°",
            plain(scene.status + (f": {scene.reason}" if scene.reason else "")),
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
