"""Some tests of load, draining and hostile input once more, with keys on; ``--keys`` runs all of them so."""

from collections.abc import Iterator

import pytest

from tests.e2e.keyed import keys_on
from tests.e2e.test_draining import (
    test_under_load_every_request_is_answered_until_nobody_listens,
    test_while_it_drains_it_lives_and_is_not_ready,
)
from tests.e2e.test_hostile import (
    server,
    test_a_chunked_body_without_a_length_stops_at_the_limit,
    test_an_answer_that_nobody_writes_is_406_before_the_body_is_read,
)
from tests.e2e.test_load import (
    patient,
    test_answers_never_cross_where_requests_are_computed_together,
    test_one_request_beside_a_hundred_does_not_wait_for_them,
)

pytestmark = pytest.mark.xdist_group("load")
__all__ = [
    "patient",
    "server",
    "test_a_chunked_body_without_a_length_stops_at_the_limit",
    "test_an_answer_that_nobody_writes_is_406_before_the_body_is_read",
    "test_answers_never_cross_where_requests_are_computed_together",
    "test_one_request_beside_a_hundred_does_not_wait_for_them",
    "test_under_load_every_request_is_answered_until_nobody_listens",
    "test_while_it_drains_it_lives_and_is_not_ready",
]


@pytest.fixture(scope="module", autouse=True)
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every service asks for keys, and every client has one."""
    with keys_on(tmp_path_factory.mktemp("keys")):
        yield
