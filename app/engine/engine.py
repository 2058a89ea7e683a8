"""The engine as one value: it owns what was compiled, what lies on the device, and what was priced.

Usable as a library: no event loop, no HTTP, no files. Methods that run on the device, and those that may
compile, say so; who calls them decides on which thread.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from app.engine import devices
from app.engine.compiled import Executables, Tile, compile_seconds
from app.engine.examples import example
from app.engine.execute import Execution, Order, execute
from app.engine.explanation import check_name, check_size, refusal
from app.engine.inspection import report_card
from app.engine.outlines import Outline, planned
from app.engine.planner import Budget, Plan, Planner
from app.engine.problem import Precision, Problem, problem
from app.engine.recomputation import Recomputations
from app.engine.residency import Heard, Holding, Residency
from app.engine.signature import Signature, signature
from app.engine.stacking import Stacking
from app.engine.verification import Verification
from app.engine.view import View, view_of
from app.function import Function
from app.specs import ArraySpec, Block, Receipt

_PLANS = 1024
_SHORT = 0.5  # of the seconds of a block: shorter ones correct no prediction


class Engine:
    """Plans, compiles and computes matrices of functions.

    Args:
        memory_bytes: what one computation may use; half of the device's memory by default.
        block_seconds: predicted seconds of one block.
        executables: compiled programs that are kept, at most.
        max_answer_bytes: the largest matrix that is answered.
        heard: is told what happens to what algorithms keep of parameters: ``hit``, ``miss``, ``eviction`` or
            ``forget``, the function, and the bytes that are kept of it from then on; None for a hit.
        device: that computes; the default one by default.
        panel_bytes: a whole row of blocks, at most, where a block has more than one row of the matrix.
    """

    def __init__(
        self,
        memory_bytes: int | None = None,
        block_seconds: float = 0.1,
        executables: int = 256,
        max_answer_bytes: int = 1 << 30,
        heard: Heard = lambda *_: None,
        device: devices.Device | None = None,
        panel_bytes: int = Budget.panel_bytes,
    ) -> None:
        self.memory_bytes = memory_bytes or devices.memory_bytes()
        self.block_seconds = block_seconds
        self.panel_bytes = panel_bytes
        self.max_answer_bytes = max_answer_bytes
        self.device_kind = jax.devices()[0].device_kind
        self.computes_aside = self.device_kind != "cpu"  # while the thread that dispatched a block goes on
        self.executables = Executables(executables, device)
        self._residency = Residency(self.memory_bytes // 8, heard, device)
        self.stacking = Stacking(self.executables, self._residency, Budget(self.memory_bytes, block_seconds))
        self._recomputations = Recomputations()
        self._rates: devices.Rates | None = None
        self._planner = Planner(lambda: self._rates or devices.rates())
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._reports: dict[Function, dict[str, Any]] = {}
        self._rooms: dict[Function, int] = {}
        self._lock = threading.Lock()

    def calibrate(self, measured: Mapping[str, float] | None = None) -> dict[str, float]:
        """Know how fast the device is; measuring it runs on the device and takes a second or more.

        Args:
            measured: what an earlier call returned on such a device, so that plans stay the same.

        Returns:
            The rates that plans are priced by, as JSON.
        """
        self._rates = devices.known(measured) or self._measured
        return asdict(self._rates)

    def signature(self, function: Function) -> Signature:
        """The shapes of a function; traces it the first time."""
        return signature(function)

    def problem(
        self,
        function: Function,
        arrays: Mapping[str, np.ndarray],
        weak: frozenset[str] = frozenset(),
        *,
        wrt: str | None = None,
        precision: Precision = "highest",
    ) -> Problem:
        """Check and cast named arrays for a function. Raises ``SpecMismatch``."""
        return problem(signature(function), arrays, weak, wrt=wrt, precision=precision)

    def example(
        self, function: Function, n1: int | None = None, n2: int | None = None, seed: int = 0
    ) -> tuple[Any, Any]:
        """Inputs to try a function with, as trees of NumPy arrays."""
        return example(signature(function), n1, n2, seed)

    def plan(self, problem: Problem, algorithm: str = "auto") -> Plan:
        """Plan a problem. May trace and lower, the first time for each shape.

        Raises:
            NotApplicable: where the named algorithm, or none, can do it within the budget.
            AnswerTooLarge: where the matrix would be larger than is answered.
        """
        check_name(algorithm)
        check_size(problem, self.max_answer_bytes)
        plan = self._plan(*self._key(problem, algorithm))
        if plan.chosen is None and self._grow(plan.function):
            plan = self._plan(*self._key(problem, algorithm))
        if plan.chosen is None:
            raise refusal(plan, algorithm)
        return plan

    def ready(self, problem: Problem, algorithm: str = "auto") -> Plan | None:
        """The plan of a problem, if it was made and compiled before; takes microseconds, on any thread."""
        plan = self._plans.get(self._key(problem, algorithm))
        if plan is None or plan.chosen is None or problem.answer_bytes > self.max_answer_bytes:
            return None
        return plan if all(map(self.executables.__contains__, plan.tiles)) else None

    def explain(
        self,
        function: Function,
        n1: int,
        n2: int | None = None,
        *,
        wrt: str | None = None,
        algorithm: str = "auto",
        precision: Precision = "highest",
        memory_bytes: int | None = None,
    ) -> Plan:
        """Plan without arrays: what would be chosen, what each algorithm would cost, and why not the others.

        Raises:
            SpecMismatch: for a wrt that names nothing.
            NotApplicable: for a name that is no algorithm.
        """
        check_name(algorithm)
        view = view_of(function, wrt or function.wrt, precision)
        return self._plan(view, wrt or function.wrt, n1, n2, algorithm, memory_bytes or self.memory_bytes)

    def resume(self, function: Function, n1: int, n2: int | None, drawn: Outline) -> Plan | None:
        """Take a plan of ``explain`` back that an earlier process made; nothing is priced.

        Args:
            function: of the same version.
            n1: examples of x1.
            n2: examples of x2, or None where x2 = x1.
            drawn: the outline of the plan, made in the same environment with the same budgets.

        Returns:
            The plan, which ``plan`` gives from now on too; None where the outline is of no use.
        """
        view = view_of(function, function.wrt)
        plan = planned(drawn, view, function.wrt)
        if plan is not None:
            with self._lock:
                self._plans[view, function.wrt, n1, n2, "auto", self.memory_bytes] = plan
        return plan

    def prepare(self, plan: Plan) -> float:
        """Compile what a plan needs; seconds that it took, 0 where nothing was missing."""
        return compile_seconds(self.executables, plan.tiles)

    def execute(self, plan: Plan, problem: Problem) -> Iterator[Block]:
        """Compute a plan block by block. Runs on the device, and where it is pulled."""
        return execute(self.execution(plan, problem), self.observe, self.computes_aside)

    def execution(self, plan: Plan, problem: Problem, order: Order = "computed") -> Execution:
        """The blocks of a plan, to be dispatched one by one. Runs on the device."""
        params = self._residency.arguments(plan.view, plan.tiles[0].algorithm)
        return Execution(plan, problem, self.executables, params, order)

    def shrink(self, plan: Plan) -> None:
        """Learn that the device had no room for a plan: those of its function get half of what it had."""
        with self._lock:
            room = self._rooms.get(plan.function, plan.bytes)
            self._rooms[plan.function] = max(1, min(plan.bytes, room) // 2)
            self._drop_plans(plan.function)

    def _grow(self, function: Function) -> bool:
        """Forget what was learned of a function's room, if anything was: not even one block fits into it."""
        with self._lock:
            if self._rooms.pop(function, None) is None:
                return False
            self._drop_plans(function)
            return True

    def verification(self, problem: Problem, matrix: np.ndarray, n: int) -> Verification:
        """Compile what recomputing n entries of an answer needs; its steps run on the device."""
        programs = self._recomputations.get(problem.view)
        return Verification(
            problem,
            matrix,
            n,
            programs,
            lambda: self._residency.parameters(problem.signature),
            self.block_seconds,
        )

    def verify(self, problem: Problem, matrix: np.ndarray, n: int) -> Receipt:
        """Recompute n random entries of an answer another way, in one go. Compiles, and runs on the device.

        Args:
            problem: what the matrix answers.
            matrix: the answer, of ``problem.shape``.
            n: entries to recompute; all of them where there are fewer.
        """
        verification = self.verification(problem, matrix, n)
        while verification.step():
            pass
        return verification.receipt

    def inspect(self, function: Function) -> dict[str, Any]:
        """The report card of a function, made the first time. Runs on the device."""
        if function not in self._reports:
            shapes = signature(function)
            self._reports[function] = report_card(shapes, self._residency.parameters(shapes), self._planner)
        return self._reports[function]

    def report(self, function: Function) -> dict[str, Any]:
        """The report card if it was made, else an empty one."""
        return self._reports.get(function, {})

    def kept(self, function: Function) -> list[Holding]:
        """What algorithms keep of a function's parameters on the device; on any thread."""
        return self._residency.kept(function)

    def adopt(self, function: Function, card: dict[str, Any]) -> None:
        """Take a report card that was made earlier for the same version, device kind and JAX."""
        self._reports[function] = card

    def forget(self, function: Function) -> None:
        """Drop all that is held for a function."""
        self.executables.forget(function)
        self._recomputations.forget(function)
        self._residency.forget(function)
        self._planner.forget(function)
        self._reports.pop(function, None)
        self.stacking.forget(function)
        with self._lock:
            self._rooms.pop(function, None)
            self._drop_plans(function)

    @cached_property
    def _measured(self) -> devices.Rates:
        """The rates of the device, with the seconds of a block that does next to nothing."""
        nothing = Function(lambda _, x: 2 * x, ArraySpec("float32", (8,)), name="nothing")
        one = np.ones((1, 8), np.float32)
        problem = self.problem(nothing, {"x1": one, "x2": one})
        rates, plan = devices.rates(), self._plan(problem.view, problem.wrt, 1, 1, "contraction", 1 << 40)
        self.prepare(plan)
        seconds = devices.least_seconds(lambda: list(self.execute(plan, problem)), 0.001, calls=30)
        self.forget(nothing)
        return replace(rates, block_seconds=seconds)

    def _key(self, problem: Problem, algorithm: str) -> tuple[View, str, int, int | None, str, int]:
        n2 = None if problem.symmetric else problem.n2
        return problem.view, problem.wrt, problem.n1, n2, algorithm, self.memory_bytes

    def _plan(self, view: View, wrt: str, n1: int, n2: int | None, algorithm: str, memory_bytes: int) -> Plan:
        key = (view, wrt, n1, n2, algorithm, memory_bytes)
        plan = self._plans.get(key)
        if plan is None:
            held = self._residency.held_bytes
            room = min(memory_bytes, self._rooms.get(view.signature.function, memory_bytes)) - held
            budget = Budget(max(1, room), self.block_seconds, self.panel_bytes)
            plan = self._planner.plan(view, wrt, n1, n2, budget, algorithm)
            with self._lock:
                if len(self._plans) >= _PLANS:
                    self._plans.clear()
                self._plans[key] = plan
        return plan

    def observe(self, tile: Tile, seconds: float) -> None:
        """Take in what a block took with its transfers. Runs where blocks land."""
        # Short blocks are at the mercy of the machine, and a change of plan changes the last bits of answers.
        if tile.stack or seconds < _SHORT * self.block_seconds:
            return
        if self._planner.observe(tile, seconds, self.block_seconds):
            with self._lock:
                self._drop_plans(tile.view.signature.function)

    def _drop_plans(self, function: Function) -> None:
        self._plans = {key: plan for key, plan in self._plans.items() if plan.function is not function}
