"""``/metrics``: the counts of this process in the Prometheus text format."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.api.house import House, house_of
from app.api.openapi import failing

router = APIRouter(tags=["health"])
TEXT = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/metrics", response_class=Response, responses={**TEXT, **failing()})
async def metrics(house: Annotated[House, Depends(house_of)]) -> Response:
    """Answer every metric with its help."""
    return Response(house.metrics.text(), headers={"Content-Type": house.metrics.content_type})
