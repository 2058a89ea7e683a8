"""Several devices: a lane and an engine each, the same answers, and work for all of them."""

import json
import os
import subprocess
import sys


def test_two_devices_share_requests_and_answer_as_one_does() -> None:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-m", "tests.scheduler.two_devices"],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal"]
    one, two = found["places"]
    assert len(one) == 1
    assert [len(places) for places in two] == [1, 1]
    assert two[0] != two[1]
