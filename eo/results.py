"""A finished run, opened for reading."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eo.access.cubes import CubeStore
from eo.access.folder import RunFolder
from eo.access.publishing import MemoryFiles, read_results
from eo.access.tables import TABLES, read_table
from eo.core.errors import OutputError
from eo.history import results_at

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

__all__ = ["Run", "export_zarr", "open_run"]


class Run:
    """Tables and cubes of a run's folder, all of one commit.

    Parameters
    ----------
    folder
        The run's folder.
    at
        Tag of an earlier commit, whose tables are made again from its parts.
    changed
        Whether the run that led here had anything to do.
    """

    def __init__(self, folder: str | Path, *, at: str | None = None, changed: bool = True) -> None:
        self._run = RunFolder(folder)
        self.folder: str = self._run.place
        """Absolute path or URL."""
        self.at, self.changed = at, changed

    def __repr__(self) -> str:
        at = f", at={self.at!r}" if self.at else ""
        return f"Run({self.folder!r}{at})"

    @functools.cached_property
    def _results(self) -> tuple[dict[str, Any], MemoryFiles]:
        """run.json and the tables, read once: a commit that comes meanwhile does not show."""
        if self.at is not None:
            return results_at(self._run, self.at)
        run, contents = read_results(self._run.files, [f"{name}.parquet" for name in TABLES])
        files = MemoryFiles(self.folder)
        files.contents.update(contents)
        return run, files

    @property
    def provenance(self) -> dict[str, Any]:
        """What run.json says: inputs, versions, campaign, devices, checksums."""
        return dict(self._results[0])

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.table(name).to_pandas()
        return frame

    def table(self, name: str) -> pa.Table:
        """Return a table by its name, as Arrow holds it.

        Raises
        ------
        OutputError
            If it is no table of this kind, or of a newer schema.
        """
        return read_table(self._results[1], name)

    @property
    def scenes(self) -> pd.DataFrame:
        """One row per STAC item found."""
        return self._frame("scenes")

    @property
    def looks(self) -> pd.DataFrame:
        """One row per scene and berth."""
        return self._frame("looks")

    @property
    def detections(self) -> gpd.GeoDataFrame:
        """One row per vessel seen in a scene; hulls in EPSG:4326."""
        import geopandas as gpd

        frame = self._frame("detections")
        hulls = gpd.GeoSeries.from_wkb(frame["geometry"], crs="EPSG:4326")
        return gpd.GeoDataFrame(frame.assign(geometry=hulls))

    @property
    def calls(self) -> pd.DataFrame:
        """One row per port call."""
        return self._frame("calls")

    @property
    def totals(self) -> pd.DataFrame:
        """One row per month, and one for all of the period."""
        return self._frame("totals")

    @property
    def cubes(self) -> dict[str, xr.Dataset]:
        """The cube's groups as lazy datasets, sorted by time."""
        said = self.provenance["cube"]
        url = said["url"] or self._run.inside("cube")
        store = CubeStore(url, snapshot=said["snapshot"] if self.at else None)
        return {name: store.dataset(name) for name in store.groups()}

    @property
    def cube(self) -> xr.Dataset:
        """The only group of the cube.

        Raises
        ------
        OutputError
            If there are several, or none; it names them.
        """
        cubes = self.cubes
        if len(cubes) != 1:
            names = ", ".join(cubes) or "none"
            raise OutputError(f"{self.folder} has {len(cubes)} cubes ({names}); use .cubes[NAME]")
        return next(iter(cubes.values()))

    @property
    def exit_code(self) -> int:
        """0: every scene is used, cloudy or skipped; 3: some scene failed."""
        return 3 if (self.scenes["status"] == "failed").any() else 0

    @property
    def report(self) -> str:
        """Where the report is."""
        return self._run.inside("report.html")


def open_run(folder: str | Path, *, at: str | None = None) -> Run:
    """Open a finished run, or what it was at an earlier commit.

    Parameters
    ----------
    folder
        Folder of the run, or its prefix in a bucket.
    at
        Tag of a commit, as `eo history` lists them; by default the last.

    Raises
    ------
    OutputError
        If the folder holds no finished run, or no such tag.
    """
    run = Run(folder, at=at)
    for name in TABLES:
        run.table(name)
    return run


def export_zarr(run: Run, path: str | Path) -> list[str]:
    """Write every group of a run's cube as plain Zarr 3 below `path`; return their names.

    Raises
    ------
    OutputError
        If something is there already, or the folder cannot be written.
    """
    target = Path(path)
    if target.exists() and any(target.iterdir()):
        raise OutputError(f"{target} is not empty: nothing there is overwritten; give another path")
    names = []
    for name, cube in run.cubes.items():
        try:
            cube.to_zarr(target / name, mode="w", zarr_format=3, consolidated=False)
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error}") from error
        names.append(name)
    return names
