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
    if not done.changed:
        typer.echo(f"{name}: nothing to do: no scene is new or changed, the results stand")
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
        leave_failed=True,
        log_json=log_json,
        verbose=verbose,
    )


@app.command()
def plan(
    campaign: OneCampaign,
    output: Output = None,
    rows: Annotated[
        int, typer.Option(min=0, help="How many units to do are listed; the table holds all.")
    ] = 20,
) -> None:
    """Search, and say what a run would do, of which size and why; do none of it."""
    from eo.planning import make_plan

    configure_logs()
    (asked,) = _load([campaign], output)
    made = make_plan(asked)
    table = Table(
        "group", "scenes", "tiles", "to read", "read", "to measure", "measured", "grid",
        title=asked.name,
    )  # fmt: skip
    for group in made.groups:
        name = group["group"]
        ingest, measure = made.count("ingest", name), made.count("measure", name)
        table.add_row(
            name,
            *(str(group[key]) for key in ("scenes", "tiles")),
            *(str(n) for n in (ingest.total() - ingest["done"], ingest["done"])),
            *(str(n) for n in (measure.total() - measure["done"], measure["done"])),
            group["grid"],
        )
    Console().print(table)
    open_rows = [row for row in made.rows if row.state != "done"]
    for row in open_rows[:rows]:
        typer.echo(f"  {row.state} {row.phase} {row.scene_id or row.group} {row.tile}: {row.why}")
    if len(open_rows) > rows:
        typer.echo(f"  and {len(open_rows) - rows} more")
    for text in made.stale:
        typer.echo(f"  empty port {text}; --refresh-reference learns it anew")
    host = max((row.host_bytes for row in open_rows), default=0)
    gpu = max((row.gpu_bytes for row in open_rows), default=0)
    typer.echo(
        f"to do: {len(open_rows)} units; the largest takes about {host / 2**30:.1f} GiB of memory, "
        f"or {gpu / 2**30:.1f} GiB on a GPU"
        if open_rows
        else "nothing to do"
    )
    typer.echo(f"skipped: {made.skipped}, failed: {made.failed}")
    typer.echo(f"table: {made.places[0]}; map: {made.places[1]}")


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
def report(
    campaign: OneCampaign,
    output: Output = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Tag of an earlier commit, as eo history lists them.",
                     metavar="TAG"),
    ] = None,
) -> None:  # fmt: skip
    """Write report.html of a finished run again, or report-TAG.html of an earlier commit."""
    from eo.access.folder import RunFolder
    from eo.history import results_at
    from eo.pages import REPORT, rewrite_pages
    from eo.results import open_run

    configure_logs()
    (asked,) = _load([campaign], output)
    folder = RunFolder(asked.output)
    if at is None:
        finished = open_run(asked.output)
        rewrite_pages(asked, folder)
        typer.echo(finished.report)
        return
    _, made = results_at(folder, at)
    name = f"report-{at}.html"
    folder.files.write(name, made.contents[REPORT])
    typer.echo(folder.inside(name))
