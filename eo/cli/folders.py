"""Commands that take the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eo.cli.console import RunFolderArgument, app
from eo.core.logs import configure_logs

__all__ = ["export"]


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
