"""Engines: every item has one outcome, bounded in flight, whatever runs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from eo.core.errors import EngineError, SceneError
from eo.core.seams import Engine
from eo.engine.choose import open_engine


def square_or_fail(x: int) -> int:
    """Square an even number; refuse an odd one."""
    if x % 2:
        raise SceneError(f"{x} is odd")
    return x * x


@pytest.fixture(params=["serial", "threads", "processes"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    opened = open_engine(request.param, workers=2)
    yield opened
    opened.close()


def test_every_item_has_one_outcome(engine: Engine) -> None:
    outcomes = list(engine.map(square_or_fail, range(20)))
    assert sorted(o.item for o in outcomes) == list(range(20))
    for outcome in outcomes:
        if outcome.item % 2:
            assert isinstance(outcome.error, SceneError)
            assert str(outcome.error) == f"{outcome.item} is odd"
        else:
            assert outcome.error is None
            assert outcome.value == outcome.item**2


def test_no_items_no_outcomes(engine: Engine) -> None:
    assert list(engine.map(square_or_fail, [])) == []


def test_threads_never_draw_more_than_is_in_flight() -> None:
    drawn, done, worst = 0, 0, 0
    lock = threading.Lock()

    def items() -> Iterator[int]:
        nonlocal drawn, worst
        for k in range(60):
            with lock:
                drawn += 1
                worst = max(worst, drawn - done)
            yield k

    def unit(k: int) -> int:
        nonlocal done
        time.sleep(0.001)
        with lock:
            done += 1
        return k

    engine = open_engine("threads", workers=3)
    assert len(list(engine.map(unit, items(), in_flight=5))) == 60
    engine.close()
    assert worst <= 6


@pytest.mark.parametrize(
    ("name", "words"),
    [("abacus", "abacus"), ("tcp://127.0.0.1:1", "no Dask scheduler answers")],
)
@pytest.mark.filterwarnings("ignore")
def test_an_engine_that_cannot_be_had_says_why(name: str, words: str) -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(EngineError, match=words),
    ):
        open_engine(name)


def test_cuda_without_a_gpu_is_refused() -> None:
    from eo.core.xp import gpu_count

    if gpu_count():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match="no CUDA device"):
        open_engine("cuda")


@pytest.mark.filterwarnings("ignore")
def test_a_running_scheduler_is_an_engine() -> None:
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        host="127.0.0.1", protocol="tcp",
    ) as cluster:  # fmt: skip
        engine = open_engine(cluster.scheduler_address)
        assert {o.value for o in engine.map(abs, [-1, -2])} == {1, 2}
        engine.close()
