"""What a band's numbers mean where nobody says it."""

from eo.access.products import product_of
from eo.access.radiometry import declared_scaling, reflectance_scaling

STRANGER = product_of({"id": "scene-001", "properties": {"platform": "sat-1"}})


def test_an_unknown_sensor_without_a_scale_is_not_guessed():
    assert reflectance_scaling(declared_scaling({}), STRANGER) is None


def test_reflectance_by_name_has_the_usual_scale_and_says_so():
    found = reflectance_scaling(declared_scaling({}), STRANGER, said=True)
    assert found is not None
    assert found.scale == 1e-4
    assert "assumed" in found.notes[0]
    floats = reflectance_scaling(declared_scaling({"data_type": "float32"}), STRANGER, said=True)
    assert floats is not None
    assert floats.scale == 1.0
