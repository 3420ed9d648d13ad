"""The cube in an S3 bucket, served on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from test_stores import BANDS, GRID, NOON, slot

from eo.access.cubes import CubeStore
from eo.core.errors import OutputError


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket; the environment leads to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for key, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(key, value)
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="port")
    yield "s3://port/vostochny/cube"
    server.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cube_lives_in_a_bucket(bucket: str) -> None:
    cube = CubeStore(bucket)
    cube.create()
    cube.commit("p-3m", GRID, BANDS, [slot("a", NOON, 5)], tiles=1, message="1")
    again = CubeStore(bucket)
    assert again.groups() == ["p-3m"]
    np.testing.assert_array_equal(again.dataset("p-3m")["dn"].values, 5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_bucket_that_is_not_there_says_so(bucket: str) -> None:
    with pytest.raises(OutputError, match="absent/cube"):
        CubeStore("s3://absent/cube").create()
