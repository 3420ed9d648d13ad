"""Commands of the nightly run on Kubernetes: the planner's, and what its Jobs run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eo.cli.console import Device, LogJson, OneCampaign, Output, RunFolderArgument, Verbose, app
from eo.core.logs import configure_logs

__all__ = ["planner", "worker"]

HeartbeatFile = Annotated[
    Path | None,
    typer.Option(
        "--heartbeat", help="File touched as long as work goes on.", envvar="EO_HEARTBEAT"
    ),
]


@app.command()
def worker(
    run_folder: RunFolderArgument,
    phase: Annotated[
        str, typer.Option("--phase", help="ingest, reference, measure, commit or finish.")
    ],
    index: Annotated[
        int,
        typer.Option("--index", min=0, help="Index of the list.", envvar="JOB_COMPLETION_INDEX"),
    ] = 0,
    plan: Annotated[
        str | None, typer.Option("--plan", help="Name of the list; by default the phase's own.")
    ] = None,
    device: Device = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Units at a time; by default one per core.")
    ] = None,
    attempt: Annotated[
        int,
        typer.Option("--attempt", min=0, help="How often it failed before.", envvar="EO_ATTEMPT"),
    ] = 0,
    heartbeat: HeartbeatFile = None,
    grace_s: Annotated[
        float,
        typer.Option("--grace-s", help="Time to finish in after SIGTERM.", envvar="EO_GRACE_S"),
    ] = 25.0,
    log_json: LogJson = False,
    verbose: Verbose = False,
) -> None:
    """Work off one index of a phase's list, or one step alone, as a Kubernetes Job does."""
    from eo.core.errors import DeviceError, OutputError
    from eo.engine.lifeline import Ending, Heartbeat
    from eo.worker import STEPS, run_index, run_step

    configure_logs(json_lines=log_json, verbose=verbose)
    # A step says nothing while it weighs and draws; its Job's deadline is its limit.
    limit_s = 21_600.0 if phase in STEPS else 1_800.0
    with Heartbeat(heartbeat, limit_s=limit_s) as heart:
        try:
            if phase in STEPS:
                code = run_step(run_folder, phase, beat=heart.beat)
            else:
                with Ending(grace_s) as ending:
                    code = run_index(
                        run_folder,
                        phase,
                        index,
                        plan=plan,
                        device=device,
                        attempt=attempt,
                        workers=workers,
                        stopping=ending.asked,
                        beat=heart.beat,
                    )
        except (OutputError, DeviceError) as error:
            # The store or this node's device: another attempt, elsewhere, may fare better.
            typer.echo(f"error: {error}", err=True)
            code = 1
    raise typer.Exit(code)


@app.command()
def planner(
    campaign: OneCampaign,
    output: Output = None,
    templates: Annotated[
        Path,
        typer.Option("--templates", help="Folder with unit.yaml, step.yaml and their patches."),
    ] = Path("k8s/base/jobs"),
    namespace: Annotated[
        str | None, typer.Option("--namespace", help="Namespace; by default the pod's own.")
    ] = None,
    per_index: Annotated[
        int, typer.Option("--per-index", min=1, help="Units an index.", envvar="EO_PER_INDEX")
    ] = 16,
    parallelism: Annotated[
        int,
        typer.Option("--parallelism", min=1, help="Pods at a time.", envvar="EO_PARALLELISM"),
    ] = 8,
    image: Annotated[
        str | None,
        typer.Option("--image", help="Image of the Jobs' containers.", envvar="EO_IMAGE"),
    ] = None,
    owner_name: Annotated[
        str | None,
        typer.Option("--owner-name", help="This planner's Job.", envvar="EO_OWNER_NAME"),
    ] = None,
    owner_uid: Annotated[
        str | None, typer.Option("--owner-uid", help="Its uid.", envvar="EO_OWNER_UID")
    ] = None,
    device: Device = "auto",
    refresh_reference: Annotated[
        bool, typer.Option("--refresh-reference", help="Learn the empty port anew.")
    ] = False,
    watch_s: Annotated[
        float,
        typer.Option("--watch-s", min=1, help="Longest life of one watch.", envvar="EO_WATCH_S"),
    ] = 240.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what can only fail again.")
    ] = False,
    heartbeat: HeartbeatFile = None,
    log_json: LogJson = False,
    verbose: Verbose = False,
) -> None:
    """Search, and have Kubernetes Jobs do what is missing; reads no pixel, writes no table."""
    from eo.access.files import open_files
    from eo.cli.campaigns import summary
    from eo.core.config import load_campaign
    from eo.engine.k8s_api import JobApi
    from eo.engine.k8s_jobs import Owner, load_templates
    from eo.engine.kubernetes import KubernetesEngine
    from eo.engine.lifeline import Heartbeat
    from eo.nightly import run_by_hand, run_nightly

    configure_logs(json_lines=log_json, verbose=verbose)
    asked = load_campaign(campaign, output=output)
    files = open_files(asked.output)
    run = owner_name or run_by_hand(files)
    owner = Owner(name=owner_name, uid=owner_uid) if owner_name and owner_uid else None
    looks = load_templates(templates, image=image, owner=owner)
    with Heartbeat(heartbeat) as heart:
        engine = KubernetesEngine(
            JobApi(namespace, watch_s=watch_s),
            looks,
            files,
            campaign=asked.name,
            run=run,
            per_index=per_index,
            parallelism=parallelism,
            beat=heart.beat,
        )
        try:
            done = run_nightly(
                asked,
                engine,
                run=run,
                device=device,
                refresh_reference=refresh_reference,
                leave_failed=not retry_failed,
                progress=lambda *_: heart.beat(),
            )
        finally:
            engine.close()
    summary(asked.name, done)
    raise typer.Exit(done.exit_code)
