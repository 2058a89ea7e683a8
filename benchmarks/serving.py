"""A process of the service on a port of its own: started, asked for by its log, ended."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_SECONDS, END_SECONDS = 240.0, 60.0


class Process:
    """A process that serves; it is made when it is ready.

    Args:
        folder: for its data and its log.
        settings: as keywords, but for the data and the port.

    Raises:
        RuntimeError: where it does not become ready.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.began = time.monotonic()
        self.log = folder / "log"
        options = {"data": folder / "data", "log": "json"} | settings
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--port", "0"],
                cwd=ROOT,
                env=os.environ | {f"JJT_{name.upper()}": str(value) for name, value in options.items()},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.port = self._ready()
        self.start_seconds = time.monotonic() - self.began

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _ready(self) -> int:
        while time.monotonic() < self.began + START_SECONDS and self.process.poll() is None:
            if found := re.search(r"is ready on http://\S+:(\d+)", self.log.read_text(encoding="utf-8")):
                return int(found[1])
            time.sleep(0.02)
        self.process.kill()
        raise RuntimeError(f"the service is not ready:\n{self.log.read_text(encoding='utf-8')[-2000:]}")
