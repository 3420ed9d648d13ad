"""The planner of the nightly run: search, have Jobs do what is missing, wait for each.

plan -> Job ingest -> Job commit -> Job reference -> Job measure -> Job finish. The planner reads
no pixel and writes no table. It keeps its search in the run's folder: started again after it was
killed, it goes on with the same scenes and the Jobs that are there.
"""

from __future__ import annotations

import logging
import secrets

from eo import flow
from eo.access.files import Files, open_files
from eo.core.config import Campaign
from eo.engine.k8s_work import forget_work
from eo.engine.kubernetes import KubernetesEngine
from eo.results import Run
from eo.session import Progress, open_session
from eo.worker import found_before, load_session, save_session

__all__ = ["run_by_hand", "run_nightly"]

_log = logging.getLogger("eo.planner")


def run_by_hand(files: Files) -> str:
    """Return the name of a run that no CronJob named: that of one cut off here, else a new one."""
    saved = load_session(files)
    return str(saved["run"]) if saved else f"by-hand-{secrets.token_hex(4)}"


def run_nightly(
    campaign: Campaign,
    engine: KubernetesEngine,
    *,
    run: str,
    device: str = "auto",
    refresh_reference: bool = False,
    leave_failed: bool = False,
    progress: Progress = lambda *_: None,
) -> Run:
    """Run a campaign by Jobs, or go on with one, and return its results.

    Parameters
    ----------
    engine
        Creates and watches Jobs.
    run
        Name of this run; the same after the planner was killed and started again.
    device
        auto, cpu or gpu, for units; auto is resolved by each worker.
    refresh_reference
        Learn the empty port anew instead of keeping the frozen one.
    leave_failed
        Leave alone what failed before and can only fail again.

    Raises
    ------
    CampaignError
        If the campaign is wrong, nothing is found, or the folder cannot be used.
    EngineError
        If the API server refuses or a step fails.
    """
    saved = load_session(open_files(campaign.output))
    again = saved is not None and saved["run"] == run
    if again:
        _log.info("going on with run %s", run)
    session = open_session(
        campaign,
        engine,
        device=device,
        refresh_reference=refresh_reference,
        leave_failed=leave_failed,
        progress=progress,
        found=found_before(saved) if saved is not None and again else None,
    )
    session.planner.look_up_assets(session.usable)
    save_session(session, run, engine.failures)
    whole = flow.ingest_scenes(session)
    save_session(session, run, engine.failures)
    if whole:
        engine.step("commit")
    flow.measure_scenes(session, whole)
    save_session(session, run, engine.failures)
    engine.step("finish")
    forget_work(session.folder.files)
    return Run(session.folder.place)
