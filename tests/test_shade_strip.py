"""What a strip's likelihood is published as: measured, too vague, or hidden by a craft."""

import numpy as np
import pytest
from test_freeboard import hull_at

from eo.core.records import Freeboard
from eo.stages.shade_strip import HEIGHTS_M, published


def said_of(height_m, sd_m, length_m=110.0):
    likelihood = np.exp(-0.5 * ((HEIGHTS_M - height_m) / sd_m) ** 2) + 1e-4
    hull = hull_at(length=length_m, beam=0.16 * length_m)
    return published(Freeboard(status="not-identifiable"), likelihood, hull).status


@pytest.mark.parametrize(
    ("height_m", "sd_m", "status"),
    [
        (0.2, 0.3, "occupied"),
        (0.0, 0.7, "occupied"),
        (2.3, 0.3, "measured"),
        (2.3, 0.7, "measured"),
        (5.5, 0.3, "measured"),
        (4.0, 9.0, "not-identifiable"),
    ],
)
def test_no_tanker_stands_as_low_as_a_strip_that_a_craft_hides(height_m, sd_m, status):
    assert said_of(height_m, sd_m) == status
