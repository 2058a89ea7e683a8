"""The sample that `make test` runs: small, and each pair meets in it."""

from itertools import product

from tests.engine.sample import ALGORITHMS, BATCHING, possible, sampled, whole
from tests.zoo import ZOO


def test_each_function_meets_each_of_its_variables_algorithms_and_batchings():
    met = {
        (case.entry.name, value) for case in sampled() for value in (case.wrt, case.algorithm, case.batching)
    }
    for entry in ZOO:
        for value in (*entry.wrts, *possible(entry), *BATCHING):
            assert (entry.name, value) in met


def test_each_pair_of_algorithm_batching_and_kind_of_variable_meets():
    cases = sampled()
    assert {(case.algorithm, case.batching) for case in cases} == set(product(ALGORITHMS, BATCHING))
    kinds = ("x", "params", "part")
    assert {(case.kind, case.algorithm) for case in cases} == set(product(kinds, ALGORITHMS))
    assert {(case.kind, case.batching) for case in cases} == set(product(kinds, BATCHING))


def test_the_sample_is_a_small_part_of_the_product():
    assert set(sampled()) <= set(whole())
    assert len(sampled()) < len(whole()) / 5
