"""``/limits``: what this server allows and knows, so that a client can ask before it sends."""

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.doorway import MAX_HEADER_BYTES
from app.api.house import House, house_of
from app.api.models import Limits
from app.api.openapi import failing
from app.engine import ALGORITHMS
from app.wire import CODECS, ENCODINGS, OPTIONS

router = APIRouter(tags=["limits"])


@router.get("/limits", responses=failing())
async def limits(house: Annotated[House, Depends(house_of)]) -> Limits:
    """List the limits, formats, algorithms and options of this server."""
    settings = house.settings
    return Limits(
        max_body_bytes=settings.max_body_bytes,
        max_answer_bytes=settings.max_answer_bytes,
        stream_bytes=settings.stream_bytes,
        max_stream_bytes=settings.max_stream_bytes,
        max_header_bytes=MAX_HEADER_BYTES,
        memory_bytes=house.engine.memory_bytes,
        block_seconds=settings.block_seconds,
        deadline_seconds=settings.deadline_seconds,
        queue_seconds=settings.queue_seconds,
        queue_bytes=settings.queue_bytes,
        connections=settings.connections,
        reads=[codec.media_type for codec in CODECS.values() if codec.reads],
        writes=[codec.media_type for codec in CODECS.values() if codec.writes],
        encodings=list(ENCODINGS),
        algorithms=["auto", *(algorithm.name for algorithm in ALGORITHMS)],
        precisions=list(OPTIONS["precision"].schema["enum"]),
        device=house.engine.device_kind,
        devices=len(house.engines),
        jax=version("jax"),
        version=version("jjt"),
    )
