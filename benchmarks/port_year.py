"""What a port costs for a year, by formula: the tables of docs/scale.md.

Constants are measured where it says so (`scale.py`, and the parts of a simulated campaign),
counted from the code where a number of requests is meant, and assumed where they are prices or
the sky's. Nothing here was measured on a GPU or on a cluster.

    python benchmarks/port_year.py          # writes the tables into docs/scale.md
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
TILE_PX = 2048
"""Side of a tile, as the planner cuts them."""
CHUNK_PX = (16, 1024)
"""Chunk of a part's array."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One kind of scene over a port."""

    name: str
    """Sensor."""
    a_year: int
    """Scenes a year over the area. Assumed."""
    pixel_m: float
    """Pixel size [m]."""
    bands: int
    """Bands read, the served mask's file among them."""
    block_px: int
    """Side of a block of the provider's COG [px]."""
    bytes_px: float
    """Compressed bytes a pixel and band in the provider's COG. Assumed."""


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What a unit takes."""

    start_cpu_s: float = 4.0
    """Processor time of a pod before its first unit: interpreter and imports. Measured."""
    scene_cpu_s: float = 0.29
    """Processor time a scene and tile whatever its size, both phases. Measured."""
    mpx_cpu_s: float = 1.7
    """Processor time a million pixels, both phases. Measured."""
    part_bytes_px: float = 5.9
    """Bytes of a scene's parts a pixel, four bands and mask. Measured."""
    reference_bytes_px: float = 29.0
    """Bytes of an epoch's reference a pixel. Measured."""
    epochs: int = 4
    """Epochs a year: quarters."""
    per_index: int = 16
    """Units a pod. The manifests' own."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Assumed, in US dollars, as large clouds list them; put in your own."""

    vcpu_hour: float = 0.04
    gb_month: float = 0.023
    put_1000: float = 0.005
    get_1000: float = 0.0004
    gb_out: float = 0.02
    """Reading from a provider in another region."""


LOOKS = (
    Look(name="Sentinel-2", a_year=120, pixel_m=10.0, bands=5, block_px=1024, bytes_px=1.3),
    Look(name="PlanetScope", a_year=300, pixel_m=3.0, bands=5, block_px=512, bytes_px=1.5),
)
SIDE_M = 6_000.0
"""Side of a port's area with its roads [m]. Assumed."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One port and year."""

    scenes: float
    units: float
    read_bytes: float
    kept_bytes: float
    cpu_hours: float
    catalog_gets: float
    store_gets: float
    store_puts: float

    def times(self, ports: int) -> Cost:
        """Return so many ports."""
        return Cost(**{key: value * ports for key, value in vars(self).items()})

    def dollars(self, prices: Prices) -> dict[str, float]:
        """Return money by what it is for."""
        gigabyte = 1e9
        return {
            "processors": self.cpu_hours * prices.vcpu_hour,
            "storage for the year": self.kept_bytes / gigabyte * prices.gb_month * 12,
            "requests": (self.store_gets * prices.get_1000 + self.store_puts * prices.put_1000)
            / 1000,
            "reading": self.read_bytes / gigabyte * prices.gb_out,
        }


def port_year(looks: tuple[Look, ...] = LOOKS, constants: Constants | None = None) -> Cost:
    """Return what one port takes in one year, each scene read once."""
    known = constants or Constants()
    total = dict.fromkeys(Cost.__dataclass_fields__, 0.0)
    for look in looks:
        side = math.ceil(SIDE_M / look.pixel_m)
        mpx = side * side / 1e6
        tiles = math.ceil(side / TILE_PX) ** 2
        blocks = (math.ceil(side / look.block_px) + 1) ** 2
        chunks = math.ceil(min(side, TILE_PX) / CHUNK_PX[0]) * math.ceil(
            min(side, TILE_PX) / CHUNK_PX[1]
        )
        scenes = look.a_year
        units = 2 * scenes * tiles
        cpu_s = scenes * (tiles * known.scene_cpu_s + mpx * known.mpx_cpu_s)
        cpu_s += units / known.per_index * known.start_cpu_s
        total["scenes"] += scenes
        total["units"] += units
        total["read_bytes"] += scenes * look.bands * blocks * look.block_px**2 * look.bytes_px
        # Twice: the part, and the cube that it is copied into.
        total["kept_bytes"] += 2 * scenes * mpx * 1e6 * known.part_bytes_px
        total["kept_bytes"] += known.epochs * mpx * 1e6 * known.reference_bytes_px
        total["cpu_hours"] += cpu_s / 3600
        # Header, then a merged range for each row of blocks.
        total["catalog_gets"] += scenes * look.bands * (1 + math.sqrt(blocks)) + scenes / 100
        # Measure: image, mask, and the reference's four arrays; commit: image and mask; the
        # reference: every look once more. A request a chunk.
        total["store_gets"] += scenes * tiles * chunks * (6 + 2 + 2) + 3 * units
        total["store_puts"] += scenes * tiles * (3 + 2 + 2) + scenes
    return Cost(**total)


def _count(value: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.3g}"


def tables() -> str:
    """Return the tables of docs/scale.md."""
    one = port_year()
    sizes = {"one port": 1, "100 ports": 100, "3,000 ports": 3000}
    costs = {name: one.times(count) for name, count in sizes.items()}
    head = "| | " + " | ".join(sizes) + " |\n|---|" + "---|" * len(sizes)
    rows = {
        "scenes": lambda c: _count(c.scenes),
        "units": lambda c: _count(c.units),
        "bytes read [GB]": lambda c: _count(c.read_bytes / 1e9),
        "bytes kept, parts and cube [GB]": lambda c: _count(c.kept_bytes / 1e9),
        "processor hours": lambda c: _count(c.cpu_hours),
        "GPU hours": lambda _: "not measured",
        "requests to catalog and scenes": lambda c: _count(c.catalog_gets),
        "GETs on the store": lambda c: _count(c.store_gets),
        "PUTs on the store": lambda c: _count(c.store_puts),
    }
    lines = [head]
    lines += [
        f"| {name} | " + " | ".join(tell(c) for c in costs.values()) + " |"
        for name, tell in rows.items()
    ]
    money = {name: cost.dollars(Prices()) for name, cost in costs.items()}
    lines += ["", "| US dollars | " + " | ".join(sizes) + " |\n|---|" + "---|" * len(sizes)]
    for what in next(iter(money.values())):
        lines.append(f"| {what} | " + " | ".join(_count(m[what]) for m in money.values()) + " |")
    lines.append("| all | " + " | ".join(_count(sum(m.values())) for m in money.values()) + " |")
    return "\n".join(lines)


def main() -> None:
    """Write the tables into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    block = f"<!-- tables: begin -->\n{tables()}\n<!-- tables: end -->"
    pattern = r"<!-- tables: begin -->.*<!-- tables: end -->"
    DOCUMENT.write_text(re.sub(pattern, lambda _: block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
