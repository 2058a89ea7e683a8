"""What can be asked: the list, the cards, and examples that are complete bodies."""

import httpx
import pytest

from tests.api.test_failures import check
from tests.api.test_reload import until

pytestmark = pytest.mark.anyio


async def test_the_list_is_sorted_and_its_etag_is_made_of_the_versions(client: httpx.AsyncClient) -> None:
    answer = await client.get("/functions")
    names = [line["name"] for line in answer.json()["functions"]]
    assert names == sorted(names) == ["treacherous", "two_waves"]
    line = answer.json()["functions"][1]
    assert {key: line[key] for key in ("wrt", "k")} == {"wrt": "x", "k": 2}
    assert line["doc"].startswith("Two waves")
    etag = answer.headers["etag"]
    assert etag == (await client.get("/functions")).headers["etag"]
    for given in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        unchanged = await client.get("/functions", headers={"If-None-Match": given})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == etag
    changed = await client.get("/functions", headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200


async def test_a_card_says_shapes_sizes_and_the_report(client: httpx.AsyncClient) -> None:
    async def reported() -> bool:
        return bool((await client.get("/functions/two_waves")).json()["report"])

    await until(reported)  # the report is made when nobody asks for anything else
    card = (await client.get("/functions/two_waves")).json()
    assert card["x"] == {"dtype": "float32", "shape": [3]}
    (output,) = card["y"]
    assert (output["dtype"], output["shape"], output["offset"]) == ("float32", [2], 0)
    assert (card["k"], card["p"], card["params"], card["tags"]) == (2, {"x": 3}, [], ["waves"])
    assert card["report"]["examples"]["independent"] is True
    pinned = await client.get(f"/functions/two_waves@{card['version']}")
    assert pinned.json() == card


@pytest.mark.parametrize(
    "name", ["nothing", "%2e%2e%2fpasswd", "__class__", "stats", "x" * 10_000, "Two_waves"]
)
async def test_an_unknown_function_is_said_so(client: httpx.AsyncClient, name: str) -> None:
    for path in (f"/functions/{name}", f"/functions/{name}/example"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.json()["code"] in {"unknown_function", "not_found"}
        assert len(answer.content) < 1000


@pytest.mark.parametrize("version", ["", "latest", "00000000"])
async def test_an_unknown_version_is_said_so(client: httpx.AsyncClient, version: str) -> None:
    check(await client.get(f"/functions/two_waves@{version}"), 404, "unknown_version")


@pytest.mark.parametrize(
    ("query", "shape"), [("", [2, 2]), ("?n1=3", [3, 2, 2]), ("?n1=3&n2=5&seed=7", [3, 2, 5, 2])]
)
async def test_an_example_is_a_body_that_runs(
    client: httpx.AsyncClient, query: str, shape: list[int]
) -> None:
    example = await client.get(f"/functions/two_waves/example{query}")
    assert example.headers["content-type"] == "application/json"
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/jjt", content=example.content, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["shape"] == shape


async def test_the_seed_decides_the_example(client: httpx.AsyncClient) -> None:
    first, again, other = [
        (await client.get(f"/functions/two_waves/example?n1=2&seed={seed}")).json() for seed in (1, 1, 2)
    ]
    assert first == again != other


async def test_the_bounds_of_the_spec_hold_in_an_example(client: httpx.AsyncClient) -> None:
    x1 = (await client.get("/functions/treacherous/example?n1=100")).json()["x1"]
    assert all(0 <= number < 1 for example in x1 for number in example)


@pytest.mark.parametrize(
    "query",
    ["n1=0", "n1=-1", "n2=0", "n1=1e3", "n1=", "seed=-1", "n1=NaN", "n3=1", "n1=99999999999999999999"],
)
async def test_wrong_numbers_are_decode_errors_that_name_the_parameter(
    client: httpx.AsyncClient, query: str
) -> None:
    problem = check(await client.get(f"/functions/two_waves/example?{query}"), 400, "decode_error")
    assert query.partition("=")[0] in problem["detail"]


async def test_an_example_that_no_body_could_hold_is_refused(client: httpx.AsyncClient) -> None:
    problem = check(await client.get("/functions/two_waves/example?n1=1000000"), 422, "answer_too_large")
    assert problem["needed_bytes"] > problem["allowed_bytes"] == 200_000
