"""``POST /plan``: what the planner would choose, and why, without any array."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError

from app import errors
from app.api.body import read_body
from app.api.clients import client_of
from app.api.encoding import codings, expand
from app.api.failures import explain
from app.api.head import head_of
from app.api.house import House, house_of
from app.api.models import PlanAnswer, PlanRequest
from app.api.openapi import failing
from app.engine import explained
from app.wire import reader_for

JSON = "application/json"
MAX_PLAN_BYTES = 64 << 10
router = APIRouter(tags=["plan"])
BODY = {
    "required": True,
    "content": {JSON: {"schema": PlanRequest.model_json_schema(ref_template="#/components/schemas/{model}")}},
}


@router.post(
    "/plan",
    response_model=PlanAnswer,
    openapi_extra={"requestBody": BODY},
    responses=failing(
        errors.DecodeError,
        errors.UnknownFunction,
        errors.UnknownVersion,
        errors.BodyTooLarge,
        errors.UnknownFormat,
        errors.SpecMismatch,
        errors.NotApplicable,
        errors.NotReady,
    ),
)
async def plan(request: Request, house: Annotated[House, Depends(house_of)]) -> dict[str, Any]:
    """Predict the cost of each algorithm, or say why it cannot be used."""
    house.require_ready()  # the first plan of all would measure the device, beside the device lane
    asked = await _read(request)
    function = house.catalog.get(asked.function)
    return await house.scheduler.on_compiler(
        explained,
        partial(
            house.engine.explain,
            function,
            asked.n1,
            asked.n2,
            wrt=asked.wrt,
            algorithm=asked.algorithm,
            precision=asked.precision,
        ),
        asked.memory_bytes or house.engine.memory_bytes,
        client=client_of(request),
    )


async def _read(request: Request) -> PlanRequest:
    """The body, parsed here: the framework would guess at a missing Content-Type, and answer 422."""
    head = head_of(request.scope)
    if reader_for(head.content_type).media_type != JSON:
        raise errors.UnknownFormat(f"a plan is asked for in {JSON}; send that Content-Type")
    encoding, _ = codings(head, request.scope)
    body = await read_body(request.receive, head.content_length, MAX_PLAN_BYTES)
    if encoding is not None:
        body = await expand(encoding, body, MAX_PLAN_BYTES)
    try:
        return PlanRequest.model_validate_json(body)
    except ValidationError as error:
        raise errors.DecodeError(explain(error.errors())) from None
