"""Commands that take the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eo.cli.console import Device, Engine, RunFolderArgument, Workers, app, bars, plain
from eo.core.logs import configure_logs

__all__ = ["export", "gc", "history", "retry"]


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
def history(folder: RunFolderArgument) -> None:
    """List a run's commits, the oldest first: tag, version of eo, and what was found."""
    from eo.access.folder import RunFolder
    from eo.history import provenance_at, tags
    from eo.results import open_run

    configure_logs()
    current = open_run(folder).provenance.get("tag")
    place = RunFolder(folder)
    for tag in tags(place):
        run = provenance_at(place, tag)
        found = run.get("summary", {})
        scenes = ", ".join(f"{count} {key}" for key, count in found.get("scenes", {}).items())
        typer.echo(
            f"{'*' if tag == current else ' '} {tag}  eo {run['versions'].get('eo-freeboard')}: "
            f"scenes: {scenes}; vessels: {found.get('vessels_seen')}; calls: "
            f"{found.get('calls')}; cube {run['cube']['snapshot']}"
        )
    typer.echo("* the results in place; an earlier one: eo report CAMPAIGN.yaml --at TAG")


@app.command()
def gc(
    folder: RunFolderArgument,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete it; without this it is only listed.")
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Forget all tags but the newest so many, too.", metavar="N"),
    ] = None,
) -> None:
    """List what no tag and no plan of a run names any more; with --delete, delete it."""
    from eo.access.folder import RunFolder
    from eo.upkeep import collect

    configure_logs()
    found = collect(RunFolder(folder), delete=delete, keep=keep)
    for name in (*found.tags, *found.parts, *found.findings, *found.drafts):
        typer.echo(f"  {name}")
    typer.echo(
        f"{'deleted' if delete else 'would delete'}: {len(found.parts)} parts, "
        f"{len(found.drafts)} unfinished ones, {len(found.tags)} tags, "
        f"{found.cube_bytes / 2**20:.1f} MiB of orphans in the cube"
    )
    if not delete:
        typer.echo("nothing was deleted; --delete does it")


@app.command()
def retry(
    folder: RunFolderArgument,
    only_list: Annotated[
        bool, typer.Option("--list", help="List what failed, and why; try nothing.")
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Forget what failed; the next run tries it again.")
    ] = False,
    campaign: Annotated[
        Path | None,
        typer.Option(help="Campaign file, if it no longer lies where it did.", metavar="FILE"),
    ] = None,
    engine: Engine = "threads",
    device: Device = "auto",
    workers: Workers = None,
) -> None:
    """Try again what failed before: the dead letters of a run."""
    from eo import flow, upkeep
    from eo.access.folder import RunFolder
    from eo.core.config import load_campaign

    configure_logs()
    place = RunFolder(folder)
    letters = upkeep.dead_letters(place)
    for letter in letters:
        name = letter.scene_id or "an empty port"
        typer.echo(
            f"  {letter.kind}: {letter.phase} of {name}, tile {letter.tile}, "
            f"{letter.attempts} attempts: {plain(letter.reason)}"
        )
    typer.echo(f"{len(letters)} dead letters in {place.place}")
    if only_list or not letters:
        return
    if clear:
        upkeep.clear_letters(place)
        typer.echo("forgotten; the next run tries them again")
        return
    asked = load_campaign(campaign or upkeep.campaign_file(place), output=place.place)
    with bars(quiet=False) as progress:
        done = flow.run(asked, engine=engine, device=device, workers=workers, progress=progress)
    left = upkeep.dead_letters(place)
    typer.echo(f"{len(letters) - len(left)} of {len(letters)} done now, {len(left)} left")
    raise typer.Exit(done.exit_code)
