# SPDX-License-Identifier: Apache-2.0
"""Faults, what they must come to, and one campaign under one of them.

tests/cli/test_faults.py runs each once; tests/soak/faults.py many times, and makes the table of
BENCHMARKS.md. The library that makes them is tests/standin/fault/ (preloaded).
"""
import dataclasses
import glob
import json
import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COTENANT = os.environ.get("COTENANT", str(ROOT / "build" / "cotenant"))
LIBRARY = Path(COTENANT).parent / "tests" / "standin" / "libfault.so"
# A sanitizer has its own malloc() and wants to be first: nothing can be preloaded before it.
CAN_INJECT = LIBRARY.exists() and not any(
    word in Path(COTENANT).read_bytes() for word in (b"__asan_init", b"__tsan_init"))
LEFT_BEHIND_S = 2
BLOCKS = 3
ENVIRONMENT = 4

SUITE = """
[suite]
name = faults
replicates = 3
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
[tenant neighbour]
cpus = pu:0
shared = yes
[victim null]
delay = 20us
[aggressor null]
intensity = 10
"""


@dataclasses.dataclass(frozen=True)
class Fault:
    """One row of the table. `cause` is what the stored reason must say."""
    name: str
    spec: str
    cause: str = ""
    status: int = ENVIRONMENT
    failed: int = 1  # blocks that must be stored as failed
    resumes: bool = False  # the campaign ends, and --resume completes it
    slow: bool = False


# `when=JOURNAL` is filled in: from then on blocks are being measured.
W = "when=JOURNAL"
FAULTS = [
    Fault("allocation fails in a victim's worker", f"malloc who=victim {W} at=20", ""),
    Fault("allocation fails in an aggressor's worker", f"malloc who=aggressor {W} at=20", ""),
    Fault("no thread for a victim", f"thread who=victim {W} error=EAGAIN", "thread"),
    Fault("no thread for an aggressor", f"thread who=aggressor {W} error=EAGAIN", "thread"),
    Fault("fork fails", f"fork who=controller {W} error=EAGAIN", "starting a worker"),
    Fault("I/O error while a block is written", f"write who=controller {W} file=.journal at=6",
          "Input/output error"),
    Fault("disk full while a block is written",
          f"write who=controller {W} file=.journal at=6 error=ENOSPC times=0", failed=0,
          resumes=True),
    Fault("short writes (as over NFS)",
          "write who=controller file=.journal error=short times=0", status=0, failed=0),
    Fault("sync of the journal fails", f"fsync who=controller {W} file=.journal at=2",
          "Input/output error"),
    Fault("I/O error while the result is built",
          f"write who=controller {W} file=.h5.tmp times=0", failed=0, resumes=True),
    Fault("sync of the result fails", f"fsync who=controller {W} file=.h5.tmp", failed=0,
          resumes=True),
    Fault("CLOCK_MONOTONIC jumps in a victim", f"clock who=victim {W} frame=EPOCH by=5",
          "clock jumped"),
    Fault("CLOCK_MONOTONIC jumps in the controller", f"clock who=controller {W} in=wait at=3 by=100000",
          "hangs"),
    Fault("the wall clock jumps back a day", f"clock who=controller {W} clock=real by=-86400",
          status=0, failed=0),
    Fault("a victim's frame is noise", f"garbage who=victim {W} frame=EPOCH", "not frames"),
    Fault("an aggressor's frame is noise", f"garbage who=aggressor {W} frame=NOISE",
          "not frames"),
    Fault("a frame is cut short", f"short who=victim {W} frame=EPOCH", ""),
    Fault("a frame comes twice", f"duplicate who=victim {W} frame=EPOCH", "came twice"),
    Fault("an answer comes twice", f"duplicate who=victim {W} frame=DONE", "came twice"),
    Fault("an aggressor's frame comes twice", f"duplicate who=aggressor {W} frame=NOISE",
          "came twice"),
    Fault("a victim dies in a phase", f"kill who=victim {W} frame=EPOCH", "signal 9"),
    Fault("an aggressor dies in a phase", f"kill who=aggressor {W} frame=NOISE", "signal 9"),
    Fault("a victim falls silent", f"silence who=victim {W} frame=EPOCH", "not a word",
          slow=True),
    Fault("an aggressor falls silent", f"silence who=aggressor {W} frame=LOADED", "hangs",
          slow=True),
]


@dataclasses.dataclass
class Outcome:
    injected: int
    status: int
    stored: int  # blocks in the file
    failed: int
    reasons: list
    lost: int  # blocks that were told as done and are not in the file
    left_behind: list
    errors: str


def processes_of(mark):
    """Processes that were started with this text in their environment, zombies left out."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        pid = path.split("/")[2]
        try:
            if mark.encode() in Path(path).read_bytes() and \
                    Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(pid))
        except OSError:
            continue
    return found


def end_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def left_behind(mark, seconds=LEFT_BEHIND_S):
    end = time.monotonic() + seconds
    left = processes_of(mark)
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left = processes_of(mark)
    end_all(left)
    return left


def blocks_of(result):
    """(status, message) of every block in a result file."""
    import h5py
    with h5py.File(result) as file:
        return [(int(s), m.decode()) for s, m in
                zip(file["blocks/status"][:], file["blocks/message"][:])]


def injected(log):
    path = Path(log)
    return len(path.read_text().splitlines()) if path.exists() else 0


def run(folder, *arguments, environment=None):
    return subprocess.run([COTENANT, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=300,
                          cwd=folder, env={**os.environ, **(environment or {})})


def done_blocks(errors):
    """Blocks that the progress told as done."""
    done = 0
    for line in errors.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "block":
            done = max(done, event["done"])
    return done


def campaign_under(fault, folder):
    """Runs a campaign under the fault, and --resume where it ends before its time."""
    folder = Path(folder)
    suite, result, log = folder / "faults.ini", folder / "r.h5", folder / "faults.log"
    suite.write_text(SUITE)
    spec = fault.spec.replace("JOURNAL", f"{result}.journal")
    first = run(folder, "run", suite, "-o", result, "--seed", "7", "--progress", "json",
                environment={"LD_PRELOAD": str(LIBRARY), "COTENANT_FAULT": spec,
                             "COTENANT_FAULT_LOG": str(log)})
    orphans = left_behind(str(log))
    if fault.resumes:
        again = run(folder, "run", suite, "-o", result, "--resume", "-q")
        if again.returncode not in (0, ENVIRONMENT):
            return Outcome(injected(log), first.returncode, 0, 0, [], -1, orphans,
                           first.stderr + again.stderr)
    check = run(folder, "validate", result)
    if check.returncode != 0:
        return Outcome(injected(log), first.returncode, 0, 0, [], -1, orphans,
                       first.stderr + check.stderr)
    blocks = blocks_of(result)
    failures = [message for status, message in blocks if status == 1]
    return Outcome(injected(log), first.returncode, len(blocks), len(failures), failures,
                   max(0, done_blocks(first.stderr) - len(blocks)), orphans, first.stderr)


def verdict(fault, outcome):
    """What is wrong with the outcome; empty when nothing is."""
    wrong = []
    if outcome.injected == 0:
        wrong.append("the fault was never injected")
    # On a busy machine the aggressor may not come to load at all: a verdict of its own.
    unloaded = outcome.status == ENVIRONMENT and "no aggressor reached" in outcome.errors
    if outcome.status != fault.status and not unloaded:
        wrong.append(f"exit {outcome.status}, not {fault.status}")
    if outcome.failed != fault.failed:
        wrong.append(f"{outcome.failed} failed blocks, not {fault.failed}: {outcome.reasons}")
    if outcome.stored != BLOCKS:
        wrong.append(f"{outcome.stored} of {BLOCKS} blocks in the file")
    if outcome.lost:
        wrong.append(f"{outcome.lost} finished blocks lost")
    if outcome.left_behind:
        wrong.append(f"left behind: {outcome.left_behind}")
    for reason in outcome.reasons:
        if not reason or fault.cause not in reason:
            wrong.append(f"the reason does not say '{fault.cause}': {reason}")
    return "; ".join(wrong) and "; ".join(wrong) + "\n" + outcome.errors
