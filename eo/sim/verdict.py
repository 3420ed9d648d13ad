"""A score as text for people."""

from __future__ import annotations

import numpy as np

from eo.sim.judge import Score
from eo.sim.judge_calls import CallScore

__all__ = ["format_score"]

Interval = tuple[float | None, float | None, float | None]


def format_score(score: Score, *, detail: bool = False) -> str:
    """Return a score as lines of text.

    Parameters
    ----------
    score
        What :func:`eo.sim.score` returned.
    detail
        Whether each miss and each false detection is named.
    """
    found, labels = len(score.hits), len(score.hits) + len(score.missed)
    rows = found + len(score.false)
    lines = [
        (
            f"{score.name}: {score.scenes} scene{'s' if score.scenes != 1 else ''}, "
            f"{labels} vessels of 60 m and more to find"
        ),
        f"  found        {found} of {labels}; {len(score.false)} of {rows} detections false",
        (
            f"  recall {_share(score.recall)}  precision {_share(score.precision)}  "
            f"F1 {_share(score.f1)}"
        ),
    ]
    lines += _hull_lines(score)
    lines += _fill_lines(score)
    if score.calls is not None:
        lines += _call_lines(score.calls)
    if detail:
        lines += [f"  missed {vessel} in {scene}" for scene, vessel in score.missed]
        lines += [f"  false {detection} in {scene}" for scene, detection in score.false]
    return "\n".join([*lines, *(f"  {note}" for note in score.notes)])


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _hull_lines(score: Score) -> list[str]:
    lines = []
    if score.errors("length_error_m").size:
        lines.append(
            f"  length RMSE {score.rmse('length_error_m'):.1f} m "
            f"(bias {score.mean('length_error_m'):+.1f}), "
            f"beam RMSE {score.rmse('beam_error_m'):.1f} m "
            f"(bias {score.mean('beam_error_m'):+.1f}), "
            f"heading RMSE {score.rmse('heading_error_deg'):.1f} deg "
            f"(worst {np.abs(score.errors('heading_error_deg')).max():.1f})"
        )
    if score.hits:
        lines.append(f"  centres RMSE {score.rmse('offset_m'):.1f} m")
    bow = score.errors("bow_right")
    if bow.size:
        lines.append(f"  bow named for {bow.size}, right for {int(bow.sum())}")
    return lines


def _fill_lines(score: Score) -> list[str]:
    known = [hit for hit in score.hits if hit.fill_known]
    if not known:
        measured = sum(hit.fill_status == "measured" for hit in score.hits)
        return [f"  fill said of {measured} of {len(score.hits)}, true fill not known"]
    lines = []
    for title, side in (("all", None), ("shade on water", False), ("shade on quay", True)):
        group = [hit for hit in known if side is None or hit.shade_on_quay is side]
        done = [hit for hit in group if hit.fill_error is not None]
        if not group:
            continue
        text = f"  fill, {title}: measured {len(done)} of {len(group)}"
        if done:
            error = np.array([hit.fill_error for hit in done], dtype=float)
            width = np.array([hit.fill_width for hit in done], dtype=float)
            covered = np.mean([bool(hit.fill_covered) for hit in done])
            text += (
                f"; RMSE {np.sqrt(np.mean(error**2)):.3f}, bias {error.mean():+.3f}, "
                f"90 % interval holds {100 * covered:.0f} %, mean width {width.mean():.2f}"
            )
        deck = [hit for hit in done if hit.freeboard_error_m is not None]
        if deck:
            error = np.array([hit.freeboard_error_m for hit in deck], dtype=float)
            sd = np.array([hit.freeboard_sd_m for hit in deck], dtype=float)
            held = np.mean(np.abs(error) <= 1.645 * sd)
            text += (
                f"; freeboard RMSE {np.sqrt(np.mean(error**2)):.2f} m, bias {error.mean():+.2f}, "
                f"90 % holds {100 * held:.0f} %"
            )
        lines.append(text)
    return lines


def _call_lines(calls: CallScore) -> list[str]:
    lines = [
        (
            f"  calls: {calls.true} true, {calls.visible} of them visible, {calls.found} found; "
            f"{calls.also_found} others found, {calls.false} false"
        ),
        (
            f"  names: {calls.identified} right, {calls.misnamed} wrong, of {calls.listed} found "
            f"calls by listed ships; direction {calls.direction_right} right, "
            f"{calls.direction_wrong} wrong"
        ),
        f"  barrels: interval holds {calls.barrels_covered} of {calls.barrels_stated} calls",
        (
            f"  in all {calls.true_barrels:,.0f} barrels true; seen {_span(calls.seen_barrels)}, "
            f"estimated {_span(calls.est_barrels)}; calls estimated {_span(calls.est_calls)}"
        ),
    ]
    if calls.campaigns > 1:
        lines[-1] = (
            f"  totals: interval holds the calls in {calls.est_calls_covered} and the barrels in "
            f"{calls.est_barrels_covered} of {calls.campaigns} campaigns"
        )
    return lines


def _span(interval: Interval) -> str:
    low, middle, high = interval
    if low is None or middle is None or high is None:
        return "not stated"
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"
