"""An answer of gigabytes to a slow reader: little memory, and the others hardly notice."""

import asyncio
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks.load.calling import Tally, address, head_of, line
from benchmarks.load.claims import Part
from benchmarks.load.crowds import about, closed
from benchmarks.load.questions import Question, ask
from benchmarks.load.service import Target, watching

SETTINGS = {"block_seconds": 0.05}
OTHERS = [address(41, number) for number in range(4)]
MEMORY_MIB = 200
HEAD_BYTES = 128  # of an npy file, as NumPy writes it


@dataclass(frozen=True)
class Length:
    """Examples on each side; bytes a second that are read slowly, and for how many seconds."""

    examples: int = 1_120
    bytes_per_second: float = 40e6
    seconds: float = 15.0


SHORT = Length(400, 20e6, 4.0)


async def streams(target: Target, length: Length = Length()) -> Part:
    """Others alone; others beside a slow reader, who then reads the rest as fast as it comes."""
    small, alone, beside = about("small"), Tally(), Tally()
    question = ask("small", np.random.default_rng(0), length.examples, length.examples)
    total = int(np.prod(question.shape)) * 4
    part = Part(
        "A large answer to a slow reader",
        f"{total / 1e9:.2f} GB, read at {length.bytes_per_second / 1e6:g} MB/s for {length.seconds:g} s, "
        f"then as fast as it comes; {len(OTHERS)} others send `small` with pauses.",
    )
    await closed(target.port, small, OTHERS, length.seconds / 4, Tally(), 0.05)
    await closed(target.port, small, OTHERS, length.seconds, alone, 0.05)
    before = target.memory_mib()
    async with watching(target) as watch:
        reading = asyncio.create_task(_read(target, question, length))
        await closed(target.port, small, OTHERS, length.seconds, beside, 0.05)
        slow_bytes, wrong, seconds = await reading
    _, busy = await target.rest()
    part.most("growth of memory at its highest", max(watch.mib) - before, MEMORY_MIB, " MiB")
    part.none("wrong row", wrong)
    part.none("fault of the others", [*alone.faults, *beside.faults][:3])
    part.none("request under way afterwards", busy)
    bound = 5 * alone.percentile(99) + 2 * SETTINGS["block_seconds"]
    part.most("p99 of the others, to 5 × alone + two blocks", beside.percentile(99), bound, " s")
    part.figures |= {
        "bytes read slowly": slow_bytes,
        "the rest [MB/s]": (total - slow_bytes) / seconds / 1e6,
        "p99 of the others alone [s]": alone.percentile(99),
        "p99 of the others beside [s]": beside.percentile(99),
    }
    return part


async def _read(target: Target, question: Question, length: Length) -> tuple[int, str, float]:
    """Read an answer slowly, then quickly.

    Returns:
        Bytes read slowly, what is wrong, and the seconds for the rest.
    """
    k = question.shape[1]
    row_bytes = int(np.prod(question.shape[1:])) * 4
    async with line(target.port, address(40, 0)) as kept:
        reader = await kept.send(question.request())
        status, headers = await head_of(reader)
        if status != 200:
            return 0, f"status {status}", 1.0
        head = await reader.readexactly(HEAD_BYTES)
        rest = int(headers["content-length"]) - HEAD_BYTES
        if rest != row_bytes * question.shape[0] or not head.startswith(b"\x93NUMPY"):
            return 0, f"{rest} bytes after {head!r}", 1.0
        began = perf_counter()
        slow_bytes, fast = 0, began
        for row in range(question.shape[0]):
            content = await reader.readexactly(row_bytes)
            got = np.frombuffer(content, np.float32).reshape(question.shape[1:])
            wanted = question.right(np.array([row]))[0] if row % 16 == 0 else None
            if wanted is not None and np.abs(got - wanted).max() > 1e-4:
                return slow_bytes, f"row {row} of {k} outputs", 1.0
            read = (row + 1) * row_bytes
            if (now := perf_counter()) < began + length.seconds:
                slow_bytes, fast = read, now
                await asyncio.sleep(max(0.0, began + read / length.bytes_per_second - now))
        return slow_bytes, "", perf_counter() - fast
