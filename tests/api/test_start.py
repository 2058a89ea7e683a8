"""Ready means calibrated and warm: what functions declare is compiled, and report cards come afterwards."""

from pathlib import Path

import anyio
import httpx
import pytest

from app.api import create_app
from tests.api.conftest import opened, settings_for
from tests.api.test_reload import until

pytestmark = pytest.mark.anyio

WARM = """
from app import ArraySpec, function

@function(x=ArraySpec("float32", (3,)), warm=[(2, None), (4, 3)])
def squares(params, x):
    return x * x

@function(x=ArraySpec("float32", (3,)), warm=())
def cold(params, x):
    return x + 1
"""


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "declared.py").write_text(WARM)
    return folder


async def compile_seconds(
    client: httpx.AsyncClient, n1: int, n2: int | None, function: str = "squares"
) -> float:
    body = {"function": function, "x1": [[1, 2, 3]] * n1, "x2": n2 and [[3, 2, 1]] * n2}
    answer = await client.post("/jjt", json={key: value for key, value in body.items() if value})
    assert answer.status_code == 200, answer.text
    return float(answer.headers["server-timing"].split("compile;dur=")[1].partition(",")[0])


async def test_declared_shapes_are_compiled_before_the_service_is_ready(declared: Path) -> None:
    async with opened(settings_for(declared)) as (_, client):
        assert [await compile_seconds(client, *pair) for pair in ((2, None), (4, 3))] == [0, 0]
        assert await compile_seconds(client, 6, 6) > 0
        assert await compile_seconds(client, 1, 1, "cold") > 0


async def test_a_function_that_is_reloaded_is_warm_again(declared: Path) -> None:
    async with opened(settings_for(declared, reload=True)) as (app, client):
        await anyio.sleep(0.5)  # the watcher needs to have begun
        old = app.state.house.catalog.get("squares")
        (declared / "declared.py").write_text(WARM.replace("x * x", "x * x * x"))

        async def reported() -> bool:
            new = app.state.house.catalog.get("squares")
            return new is not old and bool(app.state.house.engine.report(new))

        await until(reported)
        assert await compile_seconds(client, 2, None) == 0


async def test_a_service_is_ready_before_its_report_cards_are_made(declared: Path) -> None:
    app = create_app(settings_for(declared))
    async with app.router.lifespan_context(app):
        house = app.state.house

        async def ready() -> bool:
            return not house.reasons

        await until(ready)
        assert not any(house.engine.report(each) for each in house.catalog.functions.values())

        async def reported() -> bool:
            return all(house.engine.report(each) for each in house.catalog.functions.values())

        await until(reported)


async def test_the_reasons_name_what_is_not_warm(declared: Path) -> None:
    app = create_app(settings_for(declared))
    assert [reason for reason in app.state.house.reasons if "squares" in reason]
    app.state.house.scheduler.close(1)


async def test_a_function_that_no_algorithm_can_do_does_not_stop_the_start(declared: Path) -> None:
    text = WARM.replace("return x * x", "import jax\n    return jax.pure_callback(lambda a: a, x, x)")
    (declared / "declared.py").write_text(text)
    async with opened(settings_for(declared)) as (_, client):
        assert (await client.get("/readyz")).json()["reasons"] == []
        refused = await client.post("/jjt", json={"function": "squares", "x1": [[1, 2, 3]] * 2})
        assert refused.json()["code"] == "not_applicable"


async def test_a_drain_stops_nothing_that_was_let_in_before(declared: Path) -> None:
    async with opened(settings_for(declared)) as (app, _):
        app.state.house.draining.begin()
        assert app.state.house.reasons == ["draining"]
        app.state.house.require_ready()
