"""``/functions``: what can be asked here, and a body to try it with."""

import hashlib
import math
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import orjson
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app import errors
from app.api.house import House, house_of
from app.api.models import (
    Count,
    FunctionCard,
    FunctionLine,
    FunctionList,
    Holding,
    KeptArray,
    Leaf,
    OutputLeaf,
)
from app.api.openapi import failing
from app.function import Function, leaves

JSON_BYTES_PER_NUMBER = 12
router = APIRouter(tags=["functions"])
AnyHouse = Annotated[House, Depends(house_of)]


class ExampleQuery(BaseModel):
    """How many examples, and which."""

    model_config = ConfigDict(extra="forbid")

    n1: Count | None = Field(None, description="examples in x1; left out: one, or the function's own")
    n2: Count | None = Field(None, description="examples in x2; left out: one, or the function's own")
    seed: int = Field(0, ge=0, lt=1 << 32, description="of the random numbers")


@router.get("/functions", responses={304: {"description": "nothing changed"}, **failing()})
async def functions(
    house: AnyHouse,
    response: Response,
    if_none_match: Annotated[str | None, Header(description="an ETag that was answered before")] = None,
) -> FunctionList:
    """List the functions, sorted by name; the ETag is made of their versions."""
    held = [function for _, function in sorted(house.catalog.functions.items())]
    etag = _etag(held)
    if if_none_match and _matches(etag, if_none_match):
        return Response(status_code=304, headers={"ETag": etag})  # pyright: ignore[reportReturnType]
    response.headers["ETag"] = etag
    return FunctionList(functions=await to_thread.run_sync(_lines, house, held))


@router.get("/functions/{name}", responses=failing(errors.UnknownFunction, errors.UnknownVersion))
async def function(name: str, house: AnyHouse) -> FunctionCard:
    """Describe one function, by ``name`` or ``name@version``, with the report made at its registration."""
    return await to_thread.run_sync(_card, house, house.catalog.get(name))


@router.get(
    "/functions/{name}/example",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        **failing(errors.DecodeError, errors.UnknownFunction, errors.UnknownVersion, errors.AnswerTooLarge),
    },
)
async def example(name: str, query: Annotated[ExampleQuery, Query()], house: AnyHouse) -> Response:
    """Make a complete JSON body for ``POST /jjt``: the function's own example, or random inputs."""
    asked = house.catalog.get(name)
    _require_small(asked, query, house.settings.max_body_bytes)
    x1, x2 = await house.scheduler.on_device(house.engine.example, asked, query.n1, query.n2, query.seed)
    body = {"function": name, "x1": x1} if x2 is None else {"function": name, "x1": x1, "x2": x2}
    content = await to_thread.run_sync(_dumps, body)
    return Response(content, media_type="application/json")


def _lines(house: House, held: Iterable[Function]) -> list[FunctionLine]:
    return [
        FunctionLine(
            name=item.name,
            version=item.version,
            wrt=item.wrt,
            k=house.engine.signature(item).k,
            doc=item.doc,
        )
        for item in held
    ]


def _card(house: House, item: Function) -> FunctionCard:
    signature = house.engine.signature(item)
    return FunctionCard(
        name=item.name,
        version=item.version,
        doc=item.doc,
        tags=list(item.tags),
        wrt=item.wrt,
        x=signature.x_tree,
        y=[
            OutputLeaf(path=leaf.path, dtype=leaf.dtype, shape=list(leaf.shape), offset=leaf.offset)
            for leaf in signature.y
        ],
        k=signature.k,
        p={item.wrt: signature.p(item.wrt)},
        params=[
            Leaf(path=leaf.path, dtype=leaf.dtype, shape=list(leaf.shape)) for leaf in signature.param_leaves
        ],
        report=house.engine.report(item),
        kept=_kept(house, item),
    )


def _kept(house: House, item: Function) -> list[Holding]:
    return [
        Holding(
            wrt=holding.wrt,
            algorithm=holding.algorithm,
            precision=holding.precision,
            arrays=[
                KeptArray(path=each.leaf, dtype=each.dtype, shape=list(each.shape), bytes=each.nbytes)
                for each in holding.keepsakes
            ],
        )
        for holding in house.engine.kept(item)
    ]


def _etag(held: Iterable[Function]) -> str:
    versions = "\n".join(f"{item.name}@{item.version}" for item in held)
    return f'"{hashlib.sha256(versions.encode()).hexdigest()[:32]}"'


def _matches(etag: str, if_none_match: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(tags & {etag, "*"})


def _require_small(asked: Function, query: ExampleQuery, allowed_bytes: int) -> None:
    numbers = sum(math.prod(spec.shape) for spec in leaves(asked.x))
    needed_bytes = numbers * ((query.n1 or 1) + (query.n2 or 1)) * JSON_BYTES_PER_NUMBER
    if needed_bytes > allowed_bytes:
        detail = f"this example takes about {needed_bytes} bytes, {allowed_bytes} are allowed; ask for fewer"
        raise errors.AnswerTooLarge(detail, needed_bytes=needed_bytes, allowed_bytes=allowed_bytes)


def _dumps(body: dict[str, Any]) -> bytes:
    return orjson.dumps(body, default=_jsonable, option=orjson.OPT_SERIALIZE_NUMPY)


def _jsonable(value: Any) -> Any:
    """What orjson does not know: bfloat16, 0-d and strided arrays."""
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    return array.tolist()
