"""Engines: every item has one outcome, bounded in flight, whatever runs it."""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from eo.access.files import open_files
from eo.access.probes import leave_probe, probe_fault, take_probe
from eo.core.errors import EngineError, NetworkError, SceneError
from eo.core.seams import Engine, Needs
from eo.engine.capabilities import Ability, check_workers, versions
from eo.engine.choose import open_engine
from eo.engine.local import SerialEngine, ThreadEngine
from eo.engine.own import _connected, _worker_per_gpu, own_security
from eo.engine.remote import _security
from eo.engine.retries import Retries, kind_of


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
    import distributed  # noqa: F401 - its defaults must be there before one of them is set

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


# -------------------------------------------------------------------------------------- retries
QUICK = Retries(first_wait_s=0.01)


def counted(calls: dict[int, int], error: Exception, fails: int):  # type: ignore[no-untyped-def]
    """A unit whose item 3 fails so many times."""

    def unit(k: int) -> int:
        calls[k] = calls.get(k, 0) + 1
        if k == 3 and calls[k] <= fails:
            raise error
        return k

    return unit


@pytest.mark.parametrize("kind", [SerialEngine, ThreadEngine])
@pytest.mark.parametrize(
    ("error", "fails", "tried", "ends_well"),
    [
        (NetworkError("503"), 2, 3, True),
        (NetworkError("503"), 9, 3, False),
        (ConnectionResetError(104, "reset"), 1, 2, True),
        (requests.ConnectionError("no"), 1, 2, True),
        (MemoryError(), 1, 2, True),
        (MemoryError(), 9, 2, False),
        (SceneError("cut off"), 9, 1, False),
        (ValueError("a fault of ours"), 9, 1, False),
        (OSError(errno.ENOSPC, "full"), 9, 1, False),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_else(
    kind: type[SerialEngine | ThreadEngine],
    error: Exception,
    fails: int,
    tried: int,
    ends_well: bool,
) -> None:
    calls: dict[int, int] = {}
    engine = kind(retries=QUICK)
    outcomes = {o.item: o for o in engine.map(counted(calls, error, fails), range(6))}
    engine.close()
    assert set(outcomes) == set(range(6))
    assert calls[3] == tried
    assert outcomes[3].attempts == tried
    assert (outcomes[3].error is None) == ends_well
    assert all(calls[k] == 1 for k in outcomes if k != 3)


def test_what_ran_out_of_memory_runs_alone_the_second_time() -> None:
    running, beside, lock = set(), [], threading.Lock()

    def unit(k: int) -> None:
        with lock:
            running.add(k)
            first = k not in beside
            if k == 0:
                beside.append(k)
                seen.append(set(running))
        time.sleep(0.02)
        with lock:
            running.discard(k)
        if k == 0 and first:
            raise MemoryError

    seen: list[set[int]] = []
    engine = ThreadEngine(3, retries=QUICK)
    assert all(o.error is None for o in engine.map(unit, range(12)))
    engine.close()
    assert len(seen) == 2
    assert seen[-1] == {0}


def kill_on_three(k: int) -> int:
    """A unit that takes its worker down."""
    if k == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return k


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_unit_that_kills_its_worker_is_one_failure() -> None:
    engine = open_engine("processes", workers=2)
    outcomes = {o.item: o for o in engine.map(kill_on_three, range(8))}
    engine.close()
    assert kind_of(outcomes[3].error) == "lost"  # type: ignore[arg-type]
    assert "its worker died" in str(outcomes[3].error)
    assert [o.value for k, o in sorted(outcomes.items()) if k != 3] == [0, 1, 2, 4, 5, 6, 7]


# --------------------------------------------------------------------------------- capabilities
def abilities(**changed: object) -> Ability:
    usual: dict[str, object] = {
        "versions": versions(), "gpus": 0, "gpu_bytes": 0, "output": None,
    }  # fmt: skip
    return Ability(**{**usual, **changed})  # type: ignore[arg-type]


class Future:
    """What a worker answered."""

    status = "finished"

    def __init__(self, value: object) -> None:
        self._value = value

    def result(self) -> object:
        return self._value

    def add_done_callback(self, call: Callable[[object], None]) -> None:
        call(self)


class Workers:
    """A Dask client whose workers say what a test wants them to."""

    def __init__(self, **said: Ability) -> None:
        self._said = said

    def scheduler_info(self, n_workers: int) -> dict[str, object]:
        assert n_workers == -1
        return {"workers": {w: {"nthreads": 1, "memory_limit": 2**31} for w in self._said}}

    def submit(self, *_: object, workers: list[str], **__: object) -> Future:
        return Future(self._said[workers[0]])


@pytest.mark.parametrize(
    ("ability", "needs", "words"),
    [
        (abilities(), Needs(device="gpu"), "it has no GPU"),
        (abilities(), Needs(host_bytes=4 * 2**30), r"needs about 4.0 GiB .* may use 2.0 GiB"),
        (abilities(versions={**versions(), "numpy": "1.9"}), Needs(), r"numpy 1.9 there, 2\.\d"),
        (abilities(versions={}), Needs(), "eo none there"),
        (abilities(output="it does not see the run's folder /a"), Needs(), "client and workers"),
        (
            abilities(gpus=1, gpu_bytes=2**30),
            Needs(gpu_bytes=2**31),
            r"2.0 GiB of GPU memory, its GPU has 1.0 GiB",
        ),
    ],
)
def test_what_no_worker_can_do_is_refused_before_anything_is_submitted(
    ability: Ability, needs: Needs, words: str
) -> None:
    with pytest.raises(EngineError, match=words) as error:
        check_workers(Workers(a=ability, b=ability), needs)
    assert error.value.exit_code == 2
    assert "2 of 2 workers" in str(error.value)
    # One that can is enough; the other is left out.
    able = abilities(gpus=1, gpu_bytes=2**33)
    if needs.host_bytes == 0:
        assert check_workers(Workers(a=ability, b=able), needs) == ["b"]
        assert check_workers(Workers(b=able), needs) is None


def test_workers_that_do_not_see_the_folder_say_so(tmp_path: Path) -> None:
    files = open_files(tmp_path / "run")
    files.prepare()
    word = leave_probe(files)
    assert probe_fault(tmp_path / "run", word) is None
    assert "does not see" in str(probe_fault(tmp_path / "elsewhere", word))
    take_probe(files, word)
    assert "does not see" in str(probe_fault(tmp_path / "run", word))
    assert files.names() == []


def test_a_unit_larger_than_this_process_may_use_is_refused() -> None:
    for engine in (SerialEngine(), ThreadEngine(1)):
        engine.check(Needs(host_bytes=2**20))
        with pytest.raises(EngineError, match=r"one unit needs about 1048576\.0 GiB"):
            engine.check(Needs(host_bytes=2**50))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("thread", "did you mean 'threads'"),
        ("kubeclustr", "did you mean 'kubecluster'"),
        ("https://host", "is unknown"),
    ],
)
def test_an_engine_wrongly_typed_is_told_the_nearest(name: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        open_engine(name)


def test_an_open_scheduler_elsewhere_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("eo").propagate = True
    assert _security("tcp://127.0.0.1:8786") is None
    assert _security("tcp://localhost:8786") is None
    assert caplog.records == []
    assert _security("tcp://scheduler.lan:8786") is None
    assert "use tls://" in caplog.text


def test_tls_without_certificates_says_which_are_lacking() -> None:
    with pytest.raises(EngineError, match=r"tls_ca_file, tls_client_cert, tls_client_key"):
        _security("tls://scheduler.lan:8786")


def test_own_workers_have_certificates() -> None:
    security = own_security()
    if security is None:
        pytest.skip("cryptography is not installed")
    assert security.require_encryption


def visible_devices(_: int) -> str | None:
    """The GPU that a worker is given."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_each_worker_of_a_cuda_cluster_is_given_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """How workers are laid out needs no GPU; that they compute on one is for the gpu tests."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    engine = _connected("cuda", _worker_per_gpu(2))
    seen = {o.value for o in engine.map(visible_devices, range(12))}
    engine.close()
    assert seen == {"2", "5"}
