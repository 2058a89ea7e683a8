"""What the scheduler adds to a computation, and what it saves where requests go together."""
