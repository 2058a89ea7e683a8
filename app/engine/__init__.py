"""(function, x1, x2, wrt) → blocks of K = J(x1) J(x2)ᵀ. Pure JAX: no event loop, no HTTP, no files."""

from app.engine.algorithms import ALGORITHMS
from app.engine.compiled import Tile
from app.engine.compilers import compute_in_place, keep_right
from app.engine.devices import local as local_devices
from app.engine.engine import Engine
from app.engine.execute import Execution, Flight, Order
from app.engine.explanation import explained
from app.engine.outlines import Outline, outline
from app.engine.planner import Candidate, Plan
from app.engine.problem import Problem
from app.engine.signature import Leaf, Signature

__all__ = [
    "ALGORITHMS",
    "Candidate",
    "Engine",
    "Execution",
    "Flight",
    "Leaf",
    "Order",
    "Outline",
    "Plan",
    "Problem",
    "Signature",
    "Tile",
    "explained",
    "local_devices",
    "outline",
]

# Importing JAX starts nothing; whoever comes here has not used a device yet.
keep_right()
compute_in_place()
