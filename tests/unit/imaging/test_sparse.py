from __future__ import annotations

from pathlib import Path

from tests.unit.imaging.images import MIB, sparse
from workers.imaging.ranges import Range
from workers.imaging.sparse import data_ranges


def found(path: Path) -> list[Range]:
    with path.open("rb") as file:
        return data_ranges(file.fileno(), path.stat().st_size)


def test_an_empty_file_and_a_single_hole_hold_no_data(tmp_path: Path) -> None:
    assert found(sparse(tmp_path / "a", 0)) == []
    assert found(sparse(tmp_path / "b", 10 * MIB)) == []


def test_a_full_file_is_one_range(tmp_path: Path) -> None:
    assert found(sparse(tmp_path / "a", MIB, {0: b"x" * MIB})) == [Range(0, MIB)]


def test_data_is_inside_what_is_found(tmp_path: Path) -> None:
    image = sparse(tmp_path / "a", 20 * MIB + 5, {3 * MIB: b"x" * 9, 11 * MIB + 7: b"y", 20 * MIB + 4: b"z"})
    ranges = found(image)
    for at in (3 * MIB, 3 * MIB + 8, 11 * MIB + 7, 20 * MIB + 4):
        assert any(each.offset <= at < each.end for each in ranges)
    assert ranges[-1].end == 20 * MIB + 5
    plain = image.read_bytes()
    end = 0
    for each in ranges:
        assert not any(plain[end : each.offset])
        end = each.end
