"""/openapi.json is true: it follows from the tables, its examples run, and /docs needs no content network."""

import re
from typing import Any

import httpx
import pytest

from app.api.failures import CODES, STATUS
from app.wire import CODECS, ENCODINGS, OPTIONS

pytestmark = pytest.mark.anyio

PATHS = {
    "/jjt", "/functions", "/functions/{name}", "/functions/{name}/example",
    "/plan", "/livez", "/readyz", "/limits", "/metrics",
}  # fmt: skip


async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/openapi.json")).json()


async def test_every_route_is_described(client: httpx.AsyncClient) -> None:
    assert set((await document(client))["paths"]) == PATHS


async def test_formats_and_options_are_those_of_the_tables(client: httpx.AsyncClient) -> None:
    operation = (await document(client))["paths"]["/jjt"]["post"]
    reads = {name for name, codec in CODECS.items() if codec.reads}
    writes = {name for name, codec in CODECS.items() if codec.writes}
    assert set(operation["requestBody"]["content"]) == reads
    assert set(operation["responses"]["200"]["content"]) == writes
    assert {item["name"] for item in operation["parameters"]} == set(OPTIONS)
    assert set(operation["responses"]["200"]["headers"]) == {
        "JJT-Function", "JJT-Algorithm", "JJT-Non-Finite", "JJT-Verified", "Server-Timing",
        "Content-Encoding", "Vary",
    }  # fmt: skip
    for name in ENCODINGS:
        assert name in operation["requestBody"]["description"]


async def test_every_error_of_the_table_is_documented_as_a_problem(client: httpx.AsyncClient) -> None:
    document_ = await document(client)
    said = ""
    for path in document_["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "application/json" not in response["content"]:
                    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
                    assert response["content"] == {"application/problem+json": reference}
                    said += response["description"]
    for code in {*(kind.code for kind in STATUS), CODES[431]}:
        assert f"`{code}`" in said, code
    assert "ValidationError" not in str(document_)


async def test_every_reference_leads_somewhere(client: httpx.AsyncClient) -> None:
    document_ = await document(client)
    for name in re.findall(r"#/components/schemas/(\w+)", str(document_)):
        assert name in document_["components"]["schemas"], name


async def test_the_examples_have_the_shape_of_requests_that_run(client: httpx.AsyncClient) -> None:
    operation = (await document(client))["paths"]["/jjt"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    own = {**example, "function": "two_waves", "x1": [1, 2, 3], "x2": [[1, 2, 3], [4, 5, 6]]}
    assert (await client.post("/jjt", json=own)).status_code in {200, 422}
    assert set(example) <= {*OPTIONS, "x1", "x2"}


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_loads_from_this_server_alone(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/"), address
        assert (await client.get(address)).status_code == 200


async def test_limits_name_what_is_known(client: httpx.AsyncClient) -> None:
    limits = (await client.get("/limits")).json()
    assert limits["max_body_bytes"] == 200_000
    assert limits["algorithms"][0] == "auto"
    assert limits["reads"] == [name for name, codec in CODECS.items() if codec.reads]
    assert limits["writes"] == [name for name, codec in CODECS.items() if codec.writes]
    assert limits["encodings"] == list(ENCODINGS)
    assert limits["precisions"] == ["highest", "high", "default"]
    assert re.fullmatch(r"\d+\.\d+.*", limits["jax"])
