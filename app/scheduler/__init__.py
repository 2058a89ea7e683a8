"""Who may use the device, and when: problems in, answers out, one block at a time.

Knows the engine and the clock; no HTTP, no bytes. Admission, batching and fairness between clients
belong here too, in front of the two lanes.
"""

from app.scheduler.lane import Lane
from app.scheduler.scheduler import Scheduler

__all__ = ["Lane", "Scheduler"]
