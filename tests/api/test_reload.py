"""The registry is read again when files change; what fails keeps its old version, and is named."""

import os
import signal
from pathlib import Path

import anyio
import httpx
import pytest

from app.api import create_app
from app.errors import LoadError
from tests.api.conftest import opened, settings_for
from tests.api.test_jjt import BODY

pytestmark = pytest.mark.anyio

DOUBLE = """
from app import ArraySpec, function

@function(x=ArraySpec("float32", (2,)))
def scaled(params, x):
    return {factor} * x
"""


MIXED = """
import jax.numpy as jnp
import numpy as np
from app import ArraySpec, function

@function(x=ArraySpec("float32", (5,)), params=np.full((3, 5), 2.0, np.float32), wrt="x")
def mixed(params, x):
    return jnp.tanh(params @ x)
"""


async def factor(client: httpx.AsyncClient) -> float:
    answer = await client.post("/jjt", json={"function": "scaled", "x1": [1, 1]})
    return answer.json()["matrix"][0][0] ** 0.5


async def until(condition, seconds: float = 30) -> None:
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110 - what is waited for is in another thread
            await anyio.sleep(0.05)


@pytest.mark.parametrize("how", ["files", "SIGHUP"])
async def test_a_changed_file_is_served_and_a_broken_one_is_named(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    file = folder / "scaled.py"
    file.write_text(DOUBLE.format(factor=2))
    async with opened(settings_for(folder, reload=how == "files")) as (app, client):
        house = app.state.house
        old = house.catalog.get("scaled")

        async def reported() -> bool:
            return bool(house.engine.report(old))

        await until(reported)

        def write(text: str) -> None:
            file.write_text(text)
            if how == "SIGHUP":
                os.kill(os.getpid(), signal.SIGHUP)

        if how == "files":
            await anyio.sleep(0.5)  # the watcher needs to have begun
        assert await factor(client) == pytest.approx(2)
        etag = (await client.get("/functions")).headers["etag"]

        write(DOUBLE.format(factor=30))

        async def changed() -> bool:
            return (await client.get("/functions")).headers["etag"] != etag

        await until(changed)
        assert await factor(client) == pytest.approx(30)

        async def forgotten() -> bool:
            return not house.engine.report(old)

        await until(forgotten)

        write("this is not Python")

        async def named() -> bool:
            return bool((await client.get("/readyz")).json()["failed"])

        await until(named)
        ready = await client.get("/readyz")
        (failed,) = ready.json()["failed"]
        assert ready.status_code == 200
        assert failed["file"] == str(file)
        assert failed["reason"]
        assert await factor(client) == pytest.approx(30)
        assert "jjt_failed_files 1.0" in (await client.get("/metrics")).text

        write(DOUBLE.format(factor=4))

        async def healed() -> bool:
            return not await named()

        await until(healed)
        assert await factor(client) == pytest.approx(4)


async def test_a_function_of_a_new_file_has_a_report_and_one_of_a_file_taken_away_is_gone(
    tmp_path: Path, registry: Path
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "scaled.py").write_text(DOUBLE.format(factor=2))
    async with opened(settings_for(folder, reload=False)) as (_, client):
        text = (registry / "two_waves.py").read_text()
        (folder / "two_waves.py").write_text(text)
        (folder / "scaled.py").unlink()
        os.kill(os.getpid(), signal.SIGHUP)

        async def reported() -> bool:
            answer = await client.get("/functions/two_waves")
            return answer.status_code == 200 and bool(answer.json()["report"])

        await until(reported)
        assert (await client.post("/jjt", json=BODY)).status_code == 200
        gone = await client.get("/functions/scaled")
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_function")


async def test_what_is_kept_of_parameters_is_shown_and_counted_until_the_function_changes(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "mixed.py").write_text(MIXED)
    body = {"function": "mixed", "x1": [1, 2, 3, 4, 5], "algorithm": "structured"}
    async with opened(settings_for(folder)) as (_, client):

        async def card() -> dict:
            return (await client.get("/functions/mixed")).json()

        async def kept() -> list[str]:
            text = (await client.get("/metrics")).text
            return sorted(
                line for line in text.splitlines() if line.startswith(("jjt_kept_total", "jjt_kept_bytes"))
            )

        assert (await card())["kept"] == []
        for _ in range(3):
            assert (await client.post("/jjt", json=body)).status_code == 200
        metric = {"path": "x", "dtype": "float32", "shape": [1, 3, 3], "bytes": 36}
        assert (await card())["kept"] == [
            {"wrt": "x", "algorithm": "structured", "precision": "highest", "arrays": [metric]}
        ]
        assert await kept() == [
            'jjt_kept_bytes{function="mixed"} 36.0',
            'jjt_kept_total{event="hit",function="mixed"} 2.0',
            'jjt_kept_total{event="miss",function="mixed"} 1.0',
        ]
        old = (await card())["version"]
        (folder / "mixed.py").write_text(MIXED.replace("2.0", "3.0"))
        os.kill(os.getpid(), signal.SIGHUP)

        async def forgotten() -> bool:
            return 'jjt_kept_bytes{function="mixed"} 0.0' in await kept()

        await until(forgotten)
        assert (await card())["version"] != old
        assert (await card())["kept"] == []
        assert 'jjt_kept_total{event="forget",function="mixed"} 1.0' in await kept()


def test_a_file_that_does_not_load_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no weights here')")
    with pytest.raises(LoadError) as raised:
        create_app(settings_for(tmp_path))
    assert raised.value.path == tmp_path / "broken.py"
    assert "no weights here" in raised.value.reason
