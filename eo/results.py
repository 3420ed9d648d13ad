"""A finished run, opened for reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from eo.access.cubes import CubeStore
from eo.access.folder import RunFolder
from eo.access.tables import TABLES, read_table
from eo.core.errors import OutputError

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

__all__ = ["Run", "export_zarr", "open_run"]


class Run:
    """Tables and cubes of a run's folder.

    Parameters
    ----------
    folder
        The run's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self._run = RunFolder(folder)
        self.folder: str = self._run.place
        """Absolute path or URL."""

    def __repr__(self) -> str:
        return f"Run({self.folder!r})"

    @property
    def provenance(self) -> dict[str, Any]:
        """What run.json says: inputs, versions, campaign, devices, checksums."""
        found = self._run.read_json("run.json")
        if found is None:
            raise OutputError(
                f"{self.folder} holds no finished run: run.json is missing; "
                "`eo run` goes on where it was"
            )
        return dict(found)

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = read_table(self._run.files, name).to_pandas()
        return frame

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
        store = CubeStore(self.provenance["cube"]["url"] or self._run.inside("cube"))
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


def open_run(folder: str | Path) -> Run:
    """Open a finished run.

    Raises
    ------
    OutputError
        If the folder holds no finished run.
    """
    run = Run(folder)
    for name in TABLES:
        read_table(folder, name)
    _ = run.provenance
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
