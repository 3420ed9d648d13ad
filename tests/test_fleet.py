"""The fleet file: what is read, and what is refused with a way out."""

import pytest

from eo.access.fleet import read_fleet
from eo.core.errors import CampaignError

HEADER = "vessel_id,name,imo,length_m,beam_m,depth_m,design_draught_m,ballast_draught_m,dwt_t"
ROW = "v1,An Yu,9000001,105.0,16.5,8.6,6.5,3.7,5500"


def write(tmp_path, *lines):
    path = tmp_path / "fleet.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_reads_a_vessel(tmp_path):
    (vessel,) = read_fleet(write(tmp_path, HEADER, ROW))
    assert vessel.vessel_id == "v1"
    assert vessel.imo == "9000001"
    assert vessel.depth_m == 8.6
    assert vessel.of_interest is None


def test_empty_cells_are_none_and_interest_is_read(tmp_path):
    path = write(
        tmp_path,
        HEADER + ",of_interest,flag",
        "v1,,,105,16.5,,,,,yes,RU",
        "v2,B,,120,18,,,,,,",
        ",,,,,,,,,,",
    )
    first, second = read_fleet(path)
    assert first.name is None
    assert first.depth_m is None
    assert first.of_interest is True
    assert second.of_interest is False


def test_byte_order_mark_and_blanks_do_no_harm(tmp_path):
    path = tmp_path / "fleet.csv"
    path.write_text("\ufeffvessel_id, length_m, beam_m\nv1, 105, 16.5\n", encoding="utf-8")
    assert read_fleet(path)[0].length_m == 105


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["vessel_id,length_m", "v1,105"], "beam_m"),
        ([HEADER.replace("depth_m", "dept_m"), ROW], "did you mean 'depth_m'"),
        ([HEADER, ROW, ROW], "stands twice"),
        ([HEADER, ROW.replace("16.5", "0")], "beam_m 0 lies outside"),
        ([HEADER, ROW.replace("16.5", "wide")], "must be a number"),
        ([HEADER, ROW.replace("16.5", "1e999")], "lies outside"),
        ([HEADER, ROW.replace("6.5,3.7", "9.5,3.7")], "design_draught_m 9.5 must lie below"),
        ([HEADER, ROW.replace("6.5,3.7", "6.5,6.6")], "ballast_draught_m 6.6 must lie below"),
        ([HEADER, ROW.replace("105.0,16.5", "15.0,16.5")], "beam_m 16.5 must lie below"),
        ([HEADER, ROW.replace("5500", "55000")], "line 2: vessel 'v1': dwt_t 55000 is no less"),
        # Nearly all of what a box of her size displaces: no hull is so full, and steel weighs.
        ([HEADER, ROW.replace("5500", "10900")], "most that she displaces.*beam_m 16.5"),
        ([HEADER, ROW.replace("6.5,3.7,5500", ",,14500")], "and depth_m 8.6"),
        ([HEADER, ROW.replace("8.6,6.5,3.7", "8.6,,8.7")], "ballast_draught_m 8.7 must lie below"),
        ([HEADER, ROW.replace("v1,", ",", 1)], "vessel_id is empty"),
        ([HEADER, ROW.replace("An Yu", "Yu, An")], "quotes"),
        ([HEADER + ",of_interest", ROW + ",perhaps"], "true or false"),
        ([""], "required columns are missing"),
    ],
)
def test_what_is_refused(tmp_path, lines, message):
    with pytest.raises(CampaignError, match=message):
        read_fleet(write(tmp_path, *lines))


def test_what_is_refused_names_the_row_and_the_way_out(tmp_path):
    path = write(tmp_path, HEADER, ROW.replace("6.5,3.7", "9.5,3.7"))
    with pytest.raises(CampaignError) as told:
        read_fleet(path)
    said = str(told.value)
    assert str(path) in said
    assert "line 2" in said
    assert "depth_m 8.6" in said
    assert "leave a cell empty" in said


def test_absent_and_binary_files(tmp_path):
    with pytest.raises(CampaignError, match="does not exist"):
        read_fleet(tmp_path / "none.csv")
    (tmp_path / "fleet.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(CampaignError, match="cannot be read"):
        read_fleet(tmp_path / "fleet.csv")
