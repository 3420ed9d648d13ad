"""Every error the package raises on purpose, sorted by what the caller can do about it.

::

    EoError                     kind, exit_code
    |-- CampaignError           2  the campaign file or the command is wrong: mend it
    |   |-- CatalogError        2  the catalog is not there, or is not STAC
    |   `-- OutputError         2  the output folder cannot be used for this campaign
    |-- SceneError              3  one scene cannot be used: recorded, the others go on
    |   |-- AssetError          3  a file of the scene is missing, cut off or no raster
    |   |   `-- NetworkError    3  its server does not answer, which may pass
    |   |-- BandError           3  a band that is needed is not in the scene
    |   `-- GridError           3  the scene cannot be brought onto the cube's grid
    |-- ModelError              2  a trained model cannot be read, or does not fit the data
    |-- EngineError             2  the engine asked for cannot be had (no GPU, no workers)
    |   `-- EngineLostError     1  it was there and went away: stopped, run again
    `-- DeviceError             2  arrays live on different devices, or the device is absent

A message says what was asked, what was found, and the way out.
"""

from __future__ import annotations

__all__ = [
    "AssetError",
    "BandError",
    "CampaignError",
    "CatalogError",
    "DeviceError",
    "EngineError",
    "EngineLostError",
    "EoError",
    "GridError",
    "ModelError",
    "NetworkError",
    "OutputError",
    "SceneError",
]


class EoError(Exception):
    """Base of all errors raised on purpose."""

    kind = "error"
    exit_code = 1


class CampaignError(EoError):
    """The campaign file or the command is wrong."""

    kind = "campaign"
    exit_code = 2


class CatalogError(CampaignError):
    """The catalog cannot be reached, or is not STAC."""

    kind = "catalog"


class OutputError(CampaignError):
    """The output folder cannot be used for this campaign."""

    kind = "output"


class SceneError(EoError):
    """One scene cannot be used; the campaign goes on and records the reason."""

    kind = "scene"
    exit_code = 3


class AssetError(SceneError):
    """A file of a scene is missing, cut off, or not a raster."""

    kind = "asset"


class NetworkError(AssetError):
    """A file's server does not answer, or not now; it may pass."""

    kind = "network"


class BandError(SceneError):
    """A scene lacks a band that is needed."""

    kind = "band"


class GridError(SceneError):
    """A scene cannot be brought onto the cube's grid."""

    kind = "grid"


class ModelError(EoError):
    """A trained model cannot be read, holds what we cannot evaluate, or does not fit the data."""

    kind = "model"
    exit_code = 2


class EngineError(EoError):
    """The work cannot be carried out as asked: no GPU, no workers, no scheduler."""

    kind = "engine"
    exit_code = 2


class EngineLostError(EngineError):
    """The engine went away under way: what is done is kept, and a rerun goes on from there."""

    kind = "engine-lost"
    exit_code = 1


class DeviceError(EoError):
    """Arrays live on different devices, or the device asked for is absent."""

    kind = "device"
    exit_code = 2
