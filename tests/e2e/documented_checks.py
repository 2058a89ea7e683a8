"""A check that schemathesis loads: of all failures with status 500, only one that was asked for is right."""

import schemathesis


@schemathesis.check
def internal_errors_were_asked_for(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A tolerance that no float meets is a valid request, and its answer is 500 ``verification_failed``."""
    if response.status_code == 500:
        assert response.json()["code"] == "verification_failed", response.text
