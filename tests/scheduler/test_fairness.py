"""The queue is fair by seconds, keeps each client's order, and forgets what is taken back."""

import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.scheduler.fairness import FairQueue

TURNS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 1)), min_size=1, max_size=60)


def drained(queue: FairQueue[Any]) -> list[Any]:
    return list(iter(queue.get, None))


@given(TURNS)
def test_everybody_is_served_once_and_in_the_clients_own_order(turns: list[tuple[str, float]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number, (client, seconds) in enumerate(turns):
        queue.put((client, number), client, seconds)
    assert len(queue) == len(turns)
    served = drained(queue)
    assert sorted(served) == sorted((client, number) for number, (client, _) in enumerate(turns))
    for name in "abc":
        mine = [number for client, number in served if client == name]
        assert mine == sorted(mine)
    assert len(queue) == 0


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 0.5), min_size=2, max_size=6), st.integers(0, 2**32 - 1))
def test_no_client_gets_ahead_of_another_that_waits_by_more_than_two_turns(
    costs: list[float], seed: int
) -> None:
    """The bound of start-time fair queueing, for any two clients that both wait: a turn of each."""
    draw = random.Random(seed)
    queue: FairQueue[int] = FairQueue()
    waiting = {number: f"client {draw.randrange(len(costs))}" for number in range(200)}
    for number, client in waiting.items():
        queue.put(number, client, costs[int(client.split()[1])])
    had: Counter[str] = Counter()
    left = Counter(waiting.values())
    while min(left.values()) > 0:
        number = queue.get()
        assert number is not None
        client = waiting[number]
        left[client] -= 1
        had[client] += costs[int(client.split()[1])]  # type: ignore[assignment]
        if min(left.values()) > 0:
            assert max(had[name] for name in left) - min(had[name] for name in left) <= 2 * max(costs) + 1e-9


def test_who_comes_late_is_next_and_has_saved_nothing_up() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(100):
        queue.put(f"greedy {number}", "greedy", 1.0)
    for _ in range(50):
        queue.get()
    for number in range(10):
        queue.put(f"late {number}", "late", 1.0)
    served = [str(queue.get()).split()[0] for _ in range(20)]
    assert served[:2].count("late") >= 1
    assert 9 <= served.count("late") <= 10


def test_what_a_turn_really_took_counts() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(10):
        queue.put(f"a {number}", "a", 0.1)
        queue.put(f"b {number}", "b", 0.1)
    assert queue.get() == "a 0"
    queue.charge("a", 0.5)  # it took 0.6
    assert [queue.get() for _ in range(6)] == [f"b {number}" for number in range(6)]


def test_what_is_taken_back_is_not_served_and_not_charged() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("a", "b"):
        for number in range(3):
            queue.put(f"{name} {number}", name, 1.0)
    assert queue.remove("a 0")
    assert not queue.remove("a 0")
    assert not queue.remove("never there")
    assert sorted(str(queue.get()) for _ in range(2)) == ["a 1", "b 0"]
    assert len(queue) == 3


def test_turns_of_a_kind_are_found_over_all_clients_in_the_order_in_which_they_came() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(8):
        queue.put(number, f"client {number % 3}", 0.1, kind="odd" if number % 2 else None)
    assert queue.like("odd", 3) == [1, 3, 5]
    assert queue.like("even", 3) == []
    queue.take(1)
    assert queue.remove(3)
    assert queue.like("odd", 9) == [5, 7]
    drained(queue)
    assert queue.like("odd", 9) == []


def test_a_million_clients_that_came_once_are_not_remembered() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(20_000):
        queue.put(number, f"client {number}", 0.001)
        assert queue.get() == number
    assert len(queue._clients) <= 2048
    for number in range(20_000):
        queue.put(number, "restless", 0.001)
        assert queue.remove(number)
    assert len(queue._heap) <= 2
