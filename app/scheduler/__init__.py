"""Who may use a device, and when: problems in, answers out, one block at a time.

Knows the engine and the clock; no HTTP, no bytes.
"""

from app.scheduler.admission import Admission, Ticket
from app.scheduler.lane import HOUSE, Lane, unlimited
from app.scheduler.scheduler import Scheduler
from app.scheduler.streaming import Stream

__all__ = ["HOUSE", "Admission", "Lane", "Scheduler", "Stream", "Ticket", "unlimited"]
