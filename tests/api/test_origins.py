"""CORS and the headers that keep browsers to what is meant."""

import base64
import hashlib
import re
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from app.keys import add, minted
from app.settings import Settings
from tests.api.conftest import opened, settings_for
from tests.api.test_jjt import BODY

pytestmark = pytest.mark.anyio

LAB = "https://lab.example"
ASKING = {"Origin": LAB, "Access-Control-Request-Method": "POST"}
HEADERS = "authorization,content-type,jjt-deadline,x-request-id"


async def test_without_origins_no_answer_speaks_of_them(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post("/jjt", json=BODY, headers={"Origin": LAB}),
        await client.options("/jjt", headers=ASKING),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_page_of_an_origin_may_ask_and_read_our_headers_with_a_key(
    registry: Path, tmp_path: Path
) -> None:
    key, secret = minted("page")
    add(tmp_path / "keys", key)
    settings = settings_for(registry, keys=tmp_path / "keys", cors_origins=f"{LAB}, http://localhost:3000")
    async with opened(settings) as (app, client):
        allowed = await client.options("/jjt", headers=ASKING | {"Access-Control-Request-Headers": HEADERS})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == LAB
        assert {
            name.strip().lower() for name in allowed.headers["access-control-allow-headers"].split(",")
        } >= {*HEADERS.split(",")}
        assert len(allowed.headers["x-request-id"]) == 32
        bearer = {"Authorization": f"Bearer {secret}", "Origin": LAB}
        answered = await client.post("/jjt", json=BODY, headers=bearer)
        unknown = await client.post("/jjt", json=BODY, headers={"Origin": LAB})
        app.state.house.draining.begin()
        drained = await client.post("/jjt", json=BODY, headers=bearer)
        assert [each.status_code for each in (answered, unknown, drained)] == [200, 401, 503]
        for answer in (answered, unknown, drained):
            assert answer.headers["access-control-allow-origin"] == LAB
            exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
            ours = [
                name for name in answer.headers if name.startswith(("jjt-", "x-request", "server-t", "retry"))
            ]
            assert ours
            assert set(ours) <= set(exposed)
        app.state.house.draining.begun = False


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://evil.example"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "X-Evil"},
    ],
)
async def test_any_other_page_is_refused_as_a_problem(registry: Path, changed: dict[str, str]) -> None:
    async with opened(settings_for(registry, cors_origins=LAB)) as (_, client):
        answer = await client.options("/jjt", headers=ASKING | changed)
        assert (answer.status_code, answer.json()["code"]) == (400, "decode_error")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        if "Origin" in changed:
            assert "access-control-allow-origin" not in answer.headers
            answer = await client.get("/functions", headers={"Origin": changed["Origin"]})
            assert answer.status_code == 200  # the browser keeps it from the page
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origins", ["lab.example", "https://lab.example/", "https://a.example,b", "null", "https://"]
)
def test_what_is_no_origin_is_refused_at_the_start(origins: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        Settings.model_validate({"cors_origins": origins})


def test_no_origin_at_all_is_none() -> None:
    assert Settings.model_validate({"cors_origins": " , "}).cors_origins is None


async def test_every_answer_says_what_it_is_and_is_not_kept(client: httpx.AsyncClient) -> None:
    answers = {
        "/jjt": await client.post("/jjt", json=BODY),
        "/jjt ": await client.post("/jjt", json={}),
        **{
            path: await client.get(path)
            for path in ("/functions", "/limits", "/metrics", "/nothing", "/docs")
        },
    }
    for path, answer in answers.items():
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        kept = "no-cache" if path == "/functions" else "no-store"
        assert answer.headers.get_list("cache-control") == [kept], path


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_may_run_its_own_scripts_and_no_others(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    parts = [part.split() for part in page.headers["content-security-policy"].split(";")]
    policy = {name: " ".join(values) for name, *values in parts}
    scripts = policy["script-src"].split()
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert scripts == ["'self'", *(f"'sha256-{each}'" for each in hashes)]
    assert page.text.count("<script") == len(inline) + len(re.findall(r'<script src="/', page.text))
    assert not re.findall(r'\bon\w+="', page.text)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert page.headers["referrer-policy"] == "no-referrer"
    for address in re.findall(r"""(?:src|href)=["']([^"']+)""", page.text):
        answer = await client.get(address)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "no-store" not in answer.headers.get("cache-control", "")
