"""What every command shares: the app, its options, the terminal and its exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eo.core.errors import EoError
from eo.core.redaction import redacted

__all__ = [
    "Campaigns",
    "Device",
    "Engine",
    "LogJson",
    "OneCampaign",
    "Output",
    "RunFolderArgument",
    "Verbose",
    "Workers",
    "app",
    "bars",
    "main",
    "plain",
]

app = typer.Typer(
    help="Counts tankers and weighs their cargo from open satellite scenes, with error bars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
terminal = Console(stderr=True, highlight=False)

Campaigns = Annotated[list[Path], typer.Argument(help="Campaign files.", metavar="CAMPAIGN.yaml")]
OneCampaign = Annotated[Path, typer.Argument(help="Campaign file.", metavar="CAMPAIGN.yaml")]
Output = Annotated[
    str | None,
    typer.Option(
        help="Folder of the run, or s3://bucket/prefix; with several campaigns DIR/NAME.",
        metavar="DIR",
        envvar="EO_OUTPUT",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="threads, serial, processes, cuda, tls://HOST:PORT or tcp://HOST:PORT of a Dask "
        "scheduler, gateway or gateway://HOST/CLUSTER, kubecluster or kubecluster://NAMESPACE/NAME.",
        envvar="EO_ENGINE",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu or gpu.", envvar="EO_DEVICE")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Threads or processes; by default one per core.")
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log JSON lines, without a bar.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log what is done, in detail.")]
RunFolderArgument = Annotated[
    str, typer.Argument(help="Folder of a run, or s3://bucket/prefix.", metavar="RUN")
]


def main() -> None:
    """Run the command; errors raised on purpose become a message and an exit code."""
    try:
        app()
    except EoError as error:
        terminal.print(f"[bold red]error:[/] {plain(error)}", soft_wrap=True)
        sys.exit(error.exit_code if error.exit_code != 3 else 1)
    except KeyboardInterrupt:
        terminal.print("stopped; what is done is kept, and the same command goes on from there")
        sys.exit(1)


def plain(value: object) -> str:
    """Return text with what Rich would take for markup made plain, and without credentials."""
    return redacted(str(value)).replace("[", r"\[")


@contextmanager
def bars(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar per stage on a terminal."""
    if quiet or not terminal.is_terminal:
        yield lambda *_: None
        return
    tasks: dict[str, Any] = {}
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=terminal) as progress:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=None)
            progress.update(tasks[stage], completed=done, total=total or None)

        yield show
