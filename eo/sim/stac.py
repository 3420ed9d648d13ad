"""Files of a simulated campaign: COGs, STAC items, catalogue, fleet, berths, campaign."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from rasterio.crs import CRS
from rasterio.transform import Affine

from eo.sim.fleet import Ship
from eo.sim.looks import LookPlan
from eo.sim.optics import BANDS, WAVELENGTH_NM
from eo.sim.options import SimOptions
from eo.sim.world import World

__all__ = ["write_campaign", "write_catalog", "write_json", "write_scene"]

Array = Any

_S2_NAMES = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11"}
_EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
]
_UDM2 = ("clear", "snow", "shadow", "haze_light", "haze_heavy", "cloud", "confidence", "unusable")
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that it is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def _write_cog(path: Path, data: Array, world: World, pixel_m: float, names: list[str]) -> None:
    with rasterio.open(
        path,
        "w",
        driver="COG",
        count=data.shape[0],
        height=data.shape[1],
        width=data.shape[2],
        dtype=data.dtype,
        crs=CRS.from_epsg(world.epsg),
        transform=Affine(*world.transform(pixel_m)),
        nodata=0 if data.dtype == np.uint16 else None,
        compress="deflate",
        predictor="yes" if data.dtype == np.uint16 else "no",
        blocksize=256,
        overviews="none",
        interleave="band",
    ) as target:
        target.write(data)
        for index, name in enumerate(names, start=1):
            target.set_band_description(index, name)


def write_scene(
    folder: Path, world: World, plan: LookPlan, dn: Array, mask: Array, *, cover: float
) -> dict[str, Any]:
    """Write one scene's COGs and its item.

    Parameters
    ----------
    folder
        Folder of the scene, made if absent.
    world
        Where the area lies.
    plan
        The scene.
    dn
        (band, y, x) uint16, 0 where there is no data.
    mask
        SCL (y, x) or UDM2 (8, y, x), uint8.
    cover
        True cloud cover, 0-1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pixel = plan.light.pixel_m
    if plan.sensor == "sentinel-2":
        for band, data in zip(plan.light.bands, dn, strict=True):
            _write_cog(folder / f"{band}.tif", data[None], world, pixel, [band])
        _write_cog(folder / "scl.tif", mask[None], world, pixel, ["scl"])
        assets = _sentinel_assets()
    else:
        _write_cog(folder / "analytic_sr.tif", dn, world, pixel, list(plan.light.bands))
        _write_cog(folder / "udm2.tif", mask, world, pixel, list(_UDM2))
        assets = _planet_assets()
    item = _item(world, plan, assets, dn[0] > 0, cover)
    write_json(folder / f"{plan.scene_id}.json", item)
    return item


def _sentinel_assets() -> dict[str, Any]:
    assets: dict[str, Any] = {
        band: {
            "href": f"./{band}.tif",
            "type": _COG,
            "roles": ["data", "reflectance"],
            "eo:bands": [
                {
                    "name": _S2_NAMES[band],
                    "common_name": band,
                    "center_wavelength": WAVELENGTH_NM[band] / 1000,
                }
            ],
            "raster:bands": [
                {
                    "nodata": 0,
                    "data_type": "uint16",
                    "spatial_resolution": 10,
                    "scale": 0.0001,
                    "offset": -0.1,
                }
            ],
        }
        for band in BANDS["sentinel-2"]
    }
    assets["scl"] = {
        "href": "./scl.tif",
        "type": _COG,
        "roles": ["data"],
        "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 10}],
    }
    return assets


def _planet_assets() -> dict[str, Any]:
    return {
        "ortho_analytic_4b_sr": {
            "href": "./analytic_sr.tif",
            "type": _COG,
            "roles": ["data", "reflectance"],
            "bands": [
                {
                    "name": band,
                    "eo:common_name": band,
                    "eo:center_wavelength": WAVELENGTH_NM[band] / 1000,
                    "data_type": "uint16",
                    "nodata": 0,
                    "raster:scale": 0.0001,
                    "raster:offset": 0.0,
                }
                for band in BANDS["planetscope"]
            ],
        },
        "ortho_udm2": {
            "href": "./udm2.tif",
            "type": _COG,
            "roles": ["metadata"],
            "bands": [{"name": name, "data_type": "uint8"} for name in _UDM2],
        },
    }


def _item(
    world: World, plan: LookPlan, assets: dict[str, Any], valid: Array, cover: float
) -> dict[str, Any]:
    pixel = plan.light.pixel_m
    geometry = world.footprint(valid, pixel)
    lons = [point[0] for point in geometry["coordinates"][0]]
    lats = [point[1] for point in geometry["coordinates"][0]]
    properties: dict[str, Any] = {
        "datetime": plan.when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updated": plan.when.strftime("%Y-%m-%dT23:59:59Z"),
        "platform": plan.platform,
        "constellation": plan.sensor,
        "gsd": pixel,
        "eo:cloud_cover": round(100 * cover, 1),
        "proj:code": f"EPSG:{world.epsg}",
        "proj:shape": list(valid.shape),
        "proj:transform": list(world.transform(pixel)),
        "view:azimuth": round(plan.view_azimuth_deg, 3),
        "view:sun_elevation": round(plan.sun.elevation_deg, 3),
        "view:sun_azimuth": round(plan.sun.azimuth_deg, 3),
    }
    extensions = [*_EXTENSIONS]
    if plan.sensor == "sentinel-2":
        properties |= {
            "instruments": ["msi"],
            "view:incidence_angle": round(plan.zenith_deg, 3),
            "s2:processing_baseline": "05.10",
            "s2:product_type": "S2MSI2A",
            "grid:code": "MGRS-53TLH",
        }
    else:
        # Written in the newer spelling, so that readers meet both.
        extensions = [
            "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
            *_EXTENSIONS[1:3],
            "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
        ]
        properties |= {
            "instruments": ["PSB.SD"],
            "view:off_nadir": round(plan.nadir_deg, 3),
            "pl:item_type": "PSScene",
            "pl:quality_category": "standard",
            "pl:strip_id": plan.scene_id.replace("_", "")[:12],
        }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": extensions,
        "id": plan.scene_id,
        "geometry": geometry,
        "bbox": [min(lons), min(lats), max(lons), max(lats)],
        "properties": properties,
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ],
        "assets": assets,
    }


def write_catalog(out: Path, options: SimOptions, scene_ids: list[str]) -> None:
    """Write the static catalogue."""
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    links += [
        {"rel": "item", "href": f"./{name}/{name}.json", "type": "application/geo+json"}
        for name in scene_ids
    ]
    write_json(
        out / "catalog.json",
        {
            "type": "Catalog",
            "id": options.name,
            "stac_version": "1.1.0",
            "description": "Simulated scenes of known truth; see truth.json.",
            "links": links,
        },
    )


def write_campaign(out: Path, options: SimOptions, world: World, ships: tuple[Ship, ...]) -> None:
    """Write campaign.yaml, fleet.csv and berths.geojson."""
    campaign = {
        "name": options.name,
        "aoi": list(world.aoi),
        "period": world.period,
        "catalog": "catalog.json",
        "fleet": "fleet.csv",
        "berths": "berths.geojson",
        "product": options.product,
        "annual_cap_barrels": 500000,
        "output": "run",
    }
    text = yaml.safe_dump(campaign, sort_keys=False, default_flow_style=None)
    (out / "campaign.yaml").write_text(text, encoding="utf-8")
    columns = (
        "vessel_id",
        "name",
        "imo",
        "length_m",
        "beam_m",
        "depth_m",
        "design_draught_m",
        "ballast_draught_m",
        "dwt_t",
    )
    with (out / "fleet.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        for ship in ships:
            if ship.listed:
                writer.writerow([getattr(ship, column) for column in columns])
    features = [
        {
            "type": "Feature",
            "properties": {"name": berth.name},
            "geometry": world.polygon(berth.outline),
        }
        for berth in world.port.berths
    ]
    write_json(out / "berths.geojson", {"type": "FeatureCollection", "features": features})
