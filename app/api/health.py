"""``/livez`` and ``/readyz``: whether the process answers, and whether it takes requests."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.api.house import House, house_of
from app.api.models import FailedFile, Live, Ready
from app.api.openapi import failing

NOT_READY = {"model": Ready, "description": "not ready yet"}
router = APIRouter(tags=["health"])


@router.get("/livez", responses=failing(keyed=False))
async def livez() -> Live:
    """Answer while the process lives, whatever it computes."""
    return Live(live=True)


@router.get("/readyz", responses={503: NOT_READY, **failing(keyed=False)})
async def readyz(house: Annotated[House, Depends(house_of)], response: Response) -> Ready:
    """Say whether requests are taken, what is missing, and which files of the registry failed to reload."""
    reasons = house.reasons
    if reasons:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    failed = [FailedFile(file=str(item.path), reason=item.reason) for item in house.catalog.failed]
    return Ready(ready=not reasons, reasons=reasons, failed=failed)
