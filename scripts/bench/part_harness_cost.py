# SPDX-License-Identifier: Apache-2.0
"""What the harness itself uses while a phase runs, and where its threads run.

Threads of the controller and of the workers are watched through /proc while `bench` runs a victim
beside an aggressor. The threads that do the work use nearly a whole CPU; all others are the
harness. It must use under 1 % of one CPU, and none of its threads may run on the victim's CPU.
"""
import os
import subprocess
import time
from pathlib import Path

from common import ROOT, CanNotMeasure, cpu_list, read, row, text_of

PART = "the harness's own processes during a phase"
SECONDS = 4
# The victim runs alone first, then beside the aggressor: its second phase is watched, in the middle.
START_AND_WARM_UP, WATCHED = 1.5, 2.0
BUSY = 0.05  # of a CPU: more than this is a measuring or an aggressor's thread


def descendants(pid):
    """This process and all below it."""
    found, todo = [], [pid]
    while todo:
        process = todo.pop()
        found.append(process)
        for task in Path(f"/proc/{process}/task").glob("*"):
            todo.extend(int(child) for child in read(task / "children").split())
    return found


def threads(pid):
    """{thread: (CPU seconds, CPU it last ran on, CPUs it may use)}"""
    found = {}
    for process in descendants(pid):
        for task in Path(f"/proc/{process}/task").glob("*"):
            schedstat, stat, status = (read(task / name) for name in ("schedstat", "stat", "status"))
            if not (schedstat and stat and status):
                continue
            allowed = next(line.split()[1] for line in status.splitlines()
                           if line.startswith("Cpus_allowed_list"))
            found[int(task.name)] = (int(schedstat.split()[0]) / 1e9,
                                     int(stat.rsplit(")", 1)[1].split()[36]), cpu_list(allowed))
    return found


def observe(bench, command):
    """Share of one CPU that the harness used, and how often it was seen on the victim's CPU."""
    process = subprocess.Popen([str(word) for word in command], cwd=ROOT,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    try:
        time.sleep(SECONDS + START_AND_WARM_UP + 0.5)
        before, begin = threads(process.pid), time.monotonic()
        trespasses = set()
        while time.monotonic() - begin < WATCHED:
            time.sleep(0.1)
            now = threads(process.pid)
            for thread, (used, cpu, _) in now.items():
                if cpu == bench.victim_cpu and used > before.get(thread, (used,))[0]:
                    trespasses.add(thread)
        after, seconds = threads(process.pid), time.monotonic() - begin
    finally:
        process.terminate()
        _, message = process.communicate()
    shares = {thread: (used - before[thread][0]) / seconds
              for thread, (used, _, _) in after.items() if thread in before}
    workers = {thread for thread, share in shares.items() if share >= BUSY}
    if not workers:
        raise CanNotMeasure(f"'{text_of(command)}' ran no busy thread: "
                            f"{message.decode(errors='replace').strip()}")
    harness = sum(share for thread, share in shares.items() if thread not in workers)
    return 100 * harness, len(trespasses - workers)


def measure(bench):
    if not os.path.exists("/proc/self/schedstat"):
        raise CanNotMeasure("this kernel has no /proc/PID/schedstat")
    command = [bench.cotenant, "bench", "mem_latency", f"cpus=pu:{bench.victim_cpu}", "with=membw",
               f"with.cpus=pu:{bench.noise_cpu}", "-t", f"{SECONDS}s", "--json"]
    seen = [observe(bench, command) for _ in range(bench.rounds)]
    return [row("CPU time of the harness, of one CPU", "%", [share for share, _ in seen],
                target=(None, 1.0), commands=[text_of(command)]),
            row("harness threads seen on the victim's CPU", "threads",
                [float(count) for _, count in seen], target=(None, 0.0))]
