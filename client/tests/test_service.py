"""The whole way: the client, a socket, and the service with functions whose matrices are known."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from jjt_client import (
    AnswerTooLarge,
    AsyncClient,
    BodyTooLarge,
    Client,
    DeadlinePassed,
    DecodeError,
    JJTError,
    NotApplicable,
    RequestError,
    SpecMismatch,
    UnknownFunction,
    UnknownVersion,
    VerificationFailed,
    replies,
)

NUMBERS = ["bool", "bfloat16"]
NUMBERS += [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
NUMBERS += [f"float{bits}" for bits in (16, 32, 64)]


@pytest.fixture
def client(service: str) -> Iterator[Client]:
    """A client of the real service."""
    with Client(service) as connected:
        yield connected


def squares(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """The matrix of the function ``squares``: a diagonal for each pair of examples."""
    return np.einsum("ia,jb,ab->iajb", x1, x2, np.eye(3))


def test_three_lines_get_the_matrix(client: Client) -> None:
    x1, x2 = np.random.default_rng(0).integers(1, 100, (2, 5, 3)).astype(np.float32)
    matrix = client.jjt("squares", x1, x2)
    assert (matrix.dtype, matrix.shape) == (np.float32, (5, 3, 5, 3))
    assert np.array_equal(matrix, squares(x1, x2))


def test_a_matrix_too_large_to_be_held_by_the_service_comes_as_a_stream(client: Client) -> None:
    x1, x2 = np.random.default_rng(1).integers(1, 100, (2, 50, 3)).astype(np.float32)
    assert client.limits()["max_answer_bytes"] < 50 * 3 * 50 * 3 * 4 < client.limits()["max_stream_bytes"]
    matrix = client.jjt("squares", x1, x2)
    assert matrix.non_finite is None
    assert np.array_equal(matrix, squares(x1, x2))
    assert np.array_equal(client.jjt("squares", x1), squares(x1, x1))


def test_the_matrix_tells_what_the_service_said(client: Client) -> None:
    card = client.function("squares")
    matrix = client.jjt(f"squares@{card['version']}", [1.0, 2.0, np.nan], wrt="x", algorithm="forward")
    assert (matrix.function, matrix.version) == ("squares", card["version"])
    assert (matrix.algorithm, matrix.wrt) == ("forward", "x")
    assert matrix.non_finite == np.count_nonzero(~np.isfinite(matrix)) > 0
    assert matrix.timings.keys() == {"decode", "queue", "compile", "compute", "encode"}
    assert all(0 <= seconds < 60 for seconds in matrix.timings.values())
    assert matrix.request_id


@pytest.mark.parametrize("name", NUMBERS)
def test_every_dtype_and_order_arrives(client: Client, name: str) -> None:
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    x1 = (np.arange(1, 7).reshape(2, 3) % 2 if name == "bool" else np.arange(1, 7).reshape(2, 3)).astype(
        dtype
    )
    expected = squares(x1.astype(float), np.ones((1, 3)))[:, :, 0]
    for given in (x1, np.asarray(x1, order="F"), np.repeat(x1, 2, axis=0)[::2]):
        assert np.array_equal(client.jjt("squares", given, [1, 1, 1]), expected)
    if name != "bfloat16":
        assert np.array_equal(client.jjt("squares", x1.astype(dtype.newbyteorder(">")), [1, 1, 1]), expected)


def test_arrays_of_jax_and_lists_are_taken(client: Client) -> None:
    x1 = np.arange(6.0).reshape(2, 3)
    expected = squares(x1, x1)
    for given in (jnp.asarray(x1), x1.tolist(), jnp.asarray(x1, jnp.bfloat16)):
        assert np.array_equal(client.jjt("squares", given), expected)


def test_trees_arrive_under_their_names(client: Client) -> None:
    one = {"a": 2, "b.c": 3.0, "rest": (np.ones(2), [4.0, jnp.float32(5)])}
    two = {"a": 7, "b.c": np.float64(11), "rest": ([1, 2], (1.0, 2.0))}
    one["rest"] = (one["rest"][0], tuple(one["rest"][1]))
    # J = [[b, a, 0 …], [0, 0, 1, 1, 1, 1]]
    assert client.jjt("product", one, two).tolist() == [[3 * 11 + 2 * 7, 0], [0, 4]]


def test_double_precision_stays_double(client: Client) -> None:
    x1 = np.random.default_rng(1).random(3)
    matrix = client.jjt("squares_64", x1, [1.0, 1.0, 1.0])
    assert matrix.dtype == np.float64
    assert np.array_equal(np.diag(matrix), x1)


def test_the_bits_are_those_that_json_gives(client: Client, service: str) -> None:
    x1 = np.random.default_rng(2).random((2, 3), np.float32)
    body = json.dumps({"function": "squares", "x1": x1.tolist()}).encode()
    request = urllib.request.Request(f"{service}/jjt", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    assert np.array_equal(client.jjt("squares", x1), np.array(found["matrix"], found["dtype"]))


def test_replies_have_the_members_that_their_types_say(client: Client) -> None:
    lines = client.functions()
    assert [line["name"] for line in lines] == ["mixed", "product", "squares", "squares_64"]
    client.jjt("mixed", [1, 2, 3], algorithm="structured")
    (holding,) = client.function("mixed")["kept"]
    card, plan = client.function("product"), client.plan("squares", 7, 11, precision="high")
    for reply, kind in (
        (lines[0], replies.FunctionLine),
        (card, replies.FunctionCard),
        (card["y"][0], replies.OutputLeaf),
        (holding, replies.Holding),
        (holding["arrays"][0], replies.KeptArray),
        (plan, replies.Plan),
        (client.limits(), replies.Limits),
        (client.ready(), replies.Ready),
    ):
        assert reply.keys() == kind.__annotations__.keys() | getattr(kind, "__required_keys__", set())
    assert (plan["n1"], plan["n2"], plan["k"]) == (7, 11, 3)
    members = replies.Candidate.__annotations__.keys()
    for candidate in plan["algorithms"]:
        assert candidate.keys() in ({"algorithm", "refused"}, members - {"refused"})
    assert client.ready() == {"ready": True, "reasons": [], "failed": []}


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "word"),
    [
        (UnknownFunction, ("circles", [1.0]), {}, "circles"),
        (UnknownVersion, ("squares@latest", [1.0]), {}, "latest"),
        (SpecMismatch, ("squares", [1.0]), {}, "x1"),
        (SpecMismatch, ("squares", np.zeros((0, 3))), {}, "x1"),
        (SpecMismatch, ("squares", {"a": [1.0, 2.0, 3.0]}), {}, "x1"),
        (SpecMismatch, ("squares", [1.0, 2.0, 3.0]), {"wrt": "params.head"}, "params"),
        (NotApplicable, ("squares", [1.0, 2.0, 3.0]), {"algorithm": "guessing"}, "guessing"),
        (DecodeError, ("squares", [1.0, 2.0, 3.0]), {"precision": "some"}, "precision"),
        (AnswerTooLarge, ("squares", np.ones((100, 3))), {}, "bytes"),
        (BodyTooLarge, ("squares", np.ones((1 << 17, 3))), {}, "bytes"),
        (DeadlinePassed, ("squares", [1.0, 2.0, 3.0]), {"deadline_seconds": 1e-6}, ""),
    ],
)
def test_what_the_service_refuses_is_raised_by_its_class(
    client: Client, kind: type[JJTError], arguments: tuple, options: dict, word: str
) -> None:
    with pytest.raises(kind) as caught:
        client.jjt(*arguments, **options)
    error = caught.value
    assert word in error.detail
    assert error.code
    assert error.request_id
    if kind in (AnswerTooLarge, BodyTooLarge):
        assert error.fields["allowed_bytes"] > 0
    assert np.array_equal(client.jjt("squares", [1, 2, 3]), np.diag([1, 4, 9]))


@pytest.mark.parametrize("name", ["circles", "a/b", "../jjt", "squares@", "%2e", "π", "a?b", ""])
def test_a_name_that_is_none_is_not_found(client: Client, name: str) -> None:
    with pytest.raises(RequestError):
        client.function(name)


def test_a_receipt_comes_with_the_matrix_and_keeps_to_the_tolerance(client: Client) -> None:
    matrix = client.jjt("squares", [[1.0, 2.0, 3.0]], verify=100, verify_tolerance=64)
    assert matrix.verified is not None
    assert (matrix.verified.entries, matrix.verified.dtype) == (9, "float64")
    assert matrix.verified.error < 64
    assert client.jjt("squares", [1.0, 2.0, 3.0]).verified is None
    with pytest.raises(VerificationFailed) as failed:
        client.jjt("squares", [0.1, 0.2, 0.3], verify=9, verify_tolerance=1e-30)
    assert failed.value.status == 500
    assert failed.value.fields["error"] > failed.value.fields["tolerance"]
    with pytest.raises(DecodeError, match="verify_tolerance"):
        client.jjt("squares", [1.0, 2.0, 3.0], verify_tolerance=64)


def test_threads_may_share_a_client(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: client.jjt("squares", [i, i, i])[0, 0], range(40)))
    assert found == [i * i for i in range(40)]


def test_tasks_may_share_a_client(service: str) -> None:
    async def ask() -> list[float]:
        async with AsyncClient(service) as client:
            matrices = await asyncio.gather(*(client.jjt("squares", [i, i, i]) for i in range(40)))
        return [matrix[0, 0] for matrix in matrices]

    assert asyncio.run(ask()) == [i * i for i in range(40)]


def test_a_task_that_is_cancelled_leaves_the_client_usable(service: str) -> None:
    async def ask() -> np.ndarray:
        async with AsyncClient(service) as client:
            task = asyncio.create_task(client.jjt("squares", np.ones((2, 3))))
            await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return await client.jjt("squares", [1, 2, 3])

    assert np.array_equal(asyncio.run(ask()), np.diag([1, 4, 9]))
