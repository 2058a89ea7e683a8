"""What is kept between starts: a second start compiles nothing, and nothing that is kept can stop a start."""

import json
import re
import signal
import time
from pathlib import Path

import httpx

from tests.e2e.server import Server, serving

PAIR = {"function": "two_waves", "x1": [0.1, 0.2, 0.3], "x2": [0.3, 0.5, 0.7]}
PLAN = {"function": "two_waves", "n1": 1, "n2": 1}


def entries(folder: Path) -> dict[str, bytes]:
    """The compiled programs below a server's folder, by name."""
    return {file.name: file.read_bytes() for file in (folder / "data").glob("compiled/*/*-cache")}


def programs(server: Server) -> dict[str, float]:
    """How many programs came from the compiler, and how many from the disk."""
    text = httpx.get(f"{server.url}/metrics", timeout=10).text
    return {name: float(n) for name, n in re.findall(r'jjt_programs_total\{source="(\w+)"\} (\S+)', text)}


def answer(server: Server) -> tuple[list, dict]:
    """The first answer, and the plan that it was computed by."""
    answered = httpx.post(f"{server.url}/jjt", json=PAIR, timeout=60)
    assert answered.status_code == 200, answered.text
    assert re.search(r"compile;dur=0(\.0+)?,", answered.headers["server-timing"]), "it was warm"
    plan = httpx.post(f"{server.url}/plan", json=PLAN, timeout=60)
    return answered.json()["matrix"], plan.json()


def carded(server: Server) -> None:
    """Wait for the report card, which is made after the service is ready."""
    limit = time.monotonic() + 60
    while not httpx.get(f"{server.url}/functions/two_waves", timeout=10).json()["report"]:
        assert time.monotonic() < limit, server.log
        time.sleep(0.05)


def test_a_start_after_a_kill_compiles_nothing_and_gives_the_same_bits(tmp_path: Path, own: Path) -> None:
    with serving(tmp_path, own, reload=False) as first:
        cold = programs(first)
        assert cold["compiler"] > 0
        before = answer(first)
        carded(first)
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    kept = entries(tmp_path)
    assert kept
    with serving(tmp_path, own, reload=False) as second:
        after = answer(second)
        report = httpx.get(f"{second.url}/functions/two_waves", timeout=10).json()["report"]
        assert programs(second).get("compiler", 0) == 0
        assert programs(second)["disk"] > 0
    assert after == before
    assert report, "the card that was kept is there at once"
    assert entries(tmp_path) == kept


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def changed(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def unfinished(file: Path) -> None:
    """As a process leaves it that is killed while it writes."""
    truncated(file)
    file.with_name(file.name.removesuffix("-cache") + "-atime").unlink()


def without_a_checksum(file: Path) -> None:
    """As a process leaves it that is killed just after."""
    changed(file)
    file.with_name(file.name.removesuffix("-cache") + "-sum").unlink()


DAMAGES = (truncated, changed, emptied, unfinished, without_a_checksum)


def test_what_is_damaged_is_made_again_and_replaced(tmp_path: Path, own: Path) -> None:
    with serving(tmp_path, own, reload=False) as first:
        matrix, _ = answer(first)
        carded(first)
    kept = entries(tmp_path)
    for number, name in enumerate(sorted(kept)):
        (file,) = (tmp_path / "data").glob(f"compiled/*/{name}")
        DAMAGES[number % len(DAMAGES)](file)
    summed = len(list((tmp_path / "data").glob("compiled/*/*-sum")))
    assert len(DAMAGES) <= summed < len(kept)
    for name in ("rates", "plans"):
        file = tmp_path / "data" / f"{name}.json"
        file.write_text(json.dumps({key: {"tile": 1} for key in json.loads(file.read_text())}))
    with serving(tmp_path, own, reload=False) as second:
        assert answer(second)[0] == matrix
        # All that is needed again: calibration, and the shapes that are warm; the card was kept.
        assert programs(second)["compiler"] >= len(DAMAGES)
        said = [json.loads(line) for line in second.log.splitlines() if line.startswith("{")]
        warned = [line["level"] for line in said if "a compiled program is damaged" in line["event"]]
        assert warned == ["warning"] * summed
        assert "persistent compilation cache" not in second.log, "nothing that is damaged is read"
        assert "Traceback" not in second.log
    # Under the same names; what is calibrated anew may be measured by, and choose, others as well.
    assert len(entries(tmp_path).keys() & kept.keys()) >= len(DAMAGES)
    with serving(tmp_path, own, reload=False) as third:
        assert answer(third)[0] == matrix
        assert programs(third).get("compiler", 0) == 0


def test_a_data_folder_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path, own: Path) -> None:
    (tmp_path / "file").touch()
    with serving(tmp_path, own, reload=False, data=tmp_path / "file" / "data") as server:
        answer(server)
        carded(server)
        assert server.log.count("compiled programs are not kept") == 1
        assert "Traceback" not in server.log
        assert server.end() == 0
