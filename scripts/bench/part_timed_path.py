# SPDX-License-Identifier: Apache-2.0
"""That the timed path makes no system call: strace of a whole `cotenant bench`, thread by thread.

strace -r -T tells when each call began and how long it took. Between the end of one call and the
begin of the next the thread was in user space. The measuring thread's longest such stretch must
be the whole phase: one call in it would cut it in two.
"""
import re
import tempfile
from pathlib import Path

from common import CanNotMeasure, row, text_of

PART = "system calls between two samples"
SECONDS = 2
CALL = re.compile(r"^(\d+\.\d+) .*?(?:<(\d+\.\d+)>)?$")


def longest_stretch(trace):
    """Seconds of user space without a system call, the longest of one thread."""
    longest, free_since = 0.0, None
    for line in trace.read_text(errors="replace").splitlines():
        found = CALL.match(line)
        if not found:
            continue
        begin = float(found.group(1))
        if free_since is not None:
            longest = max(longest, begin - free_since)
        # A call without a duration (exit, execve of another thread) leaves nothing to measure from.
        free_since = begin + float(found.group(2)) if found.group(2) else None
    return longest


def measure(bench):
    bench.need("strace")
    rows = []
    for victim in ("null", "mem_latency", "spin"):
        command = bench.bench_command(victim, seconds=SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            traced = ["strace", "-ff", "-ttt", "-T", "-o", f"{folder}/trace", *command]
            try:
                bench.run(traced)
            except CanNotMeasure as error:
                raise CanNotMeasure(f"strace: {error}") from error
            stretch = max(map(longest_stretch, Path(folder).iterdir()), default=0.0)
        rows.append(row(f"{victim}: longest time without a system call", "s", [stretch],
                        target=(float(SECONDS), None),
                        commands=[text_of(traced[:5] + ["TRACE"] + command)],
                        note=f"of a phase of {SECONDS} s and its warm-up"))
    return rows
