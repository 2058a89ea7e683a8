"""The file of keys: what is written is read again, nobody else may read it, and no error repeats a line."""

import os
import stat
from pathlib import Path

import pytest

from app.errors import KeyFileError
from app.keys import add, digest_of, minted, read, remove

LAB, SECRET = minted("lab", requests_per_second=2.5, bytes_per_second=1e6, bytes_burst=3e6)
ROOM, _ = minted("room", device_seconds_per_minute=30)


def test_keys_are_read_as_they_were_added_until_they_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add(path, LAB)
    add(path, ROOM)
    assert read(path) == (LAB, ROOM)
    assert SECRET not in path.read_text()
    remove(path, "lab")
    assert read(path) == (ROOM,)
    remove(path, "room")
    assert read(path) == ()
    assert list(tmp_path.iterdir()) == [path]


def test_only_its_owner_can_read_it_whatever_the_umask_and_whatever_was_there(tmp_path: Path) -> None:
    path, before = tmp_path / "keys", os.umask(0)
    try:
        add(path, LAB)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o666)
        add(path, ROOM)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    link, place = tmp_path / "keys", tmp_path / "kept" / "keys"
    link.symlink_to(place)
    add(link, LAB)
    assert link.is_symlink()
    assert read(place) == (LAB,)


def test_whoever_reads_while_it_is_written_reads_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add(path, LAB)
    with path.open() as file:
        add(path, ROOM)
        remove(path, "lab")
        assert file.read() == LAB.model_dump_json(exclude_none=True) + "\n"


LINE = LAB.model_dump_json(exclude_none=True)
BROKEN = {
    "a secret by itself": SECRET,
    "a secret as the hash": LINE.replace(LAB.sha256, SECRET),
    "a secret as a name": f'{{"name": "x {SECRET}", "sha256": "{LAB.sha256}"}}',
    "a secret as a member": LINE.replace('"name"', f'"{SECRET}": 1, "name"'),
    "half a line": LINE[:-9],
    "a list": "[]",
    "two of one name": f"{LINE}\n{LINE.replace(LAB.sha256, ROOM.sha256)}",
    "two of one hash": f"{LINE}\n{LINE.replace('lab', 'other')}",
    "a limit that is text": LINE.replace("2.5", '"many"'),
    "bytes that are no text": "\udcff",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_and_what_stands_in_it_is_not_repeated(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content.encode(errors="surrogateescape"))
    for act in (lambda: read(path), lambda: add(path, ROOM), lambda: remove(path, "lab")):
        with pytest.raises(KeyFileError) as raised:
            act()
        assert str(path) in raised.value.detail
        assert "1" in raised.value.reason
        assert SECRET not in raised.value.detail
        assert LAB.sha256 not in raised.value.detail
    assert path.read_bytes() == content.encode(errors="surrogateescape")


def test_a_file_that_is_not_there_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="jjt keys add"):
        read(tmp_path / "none")
    with pytest.raises(KeyFileError, match="nowhere"):
        add(tmp_path / "nowhere" / "keys", LAB)


def test_names_are_taken_once_and_only_what_is_there_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add(path, LAB)
    again, _ = minted("lab")
    with pytest.raises(KeyFileError, match="'lab'"):
        add(path, again)
    with pytest.raises(KeyFileError, match="no key of that name"):
        remove(path, "room")
    assert read(path) == (LAB,)


def test_the_hash_in_the_file_is_that_of_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    add(path, LAB)
    assert digest_of(SECRET.encode()).hex() in path.read_text()
