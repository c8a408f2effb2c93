# SPDX-License-Identifier: Apache-2.0
"""How long the demo takes and how much memory the campaign needs beside the working sets."""
import os
import subprocess
import time

from common import ROOT, CanNotMeasure, read, row, text_of

PART = "the demo: duration and the controller's peak memory"
LONGEST = 300


def peak_mib(pid):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(bench):
    out = bench.build / "bench" / "demo.h5"
    for old in out.parent.glob("demo.h5*"):
        old.unlink()
    command = [bench.cotenant, "run", "suites/quick.ini", "-o", str(out)]
    begin, peak = time.monotonic(), 0.0
    log = bench.build / "bench" / "demo.log"
    with open(log, "w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=stderr)
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid))
            if time.monotonic() - begin > LONGEST:
                os.kill(process.pid, 15)
            time.sleep(0.05)
    if process.returncode != 0:
        raise CanNotMeasure(f"'{text_of(command)}': status {process.returncode}: see {log}")
    return [row("demo, from start to end", "s", [time.monotonic() - begin], target=(None, 180.0),
                commands=[text_of(command)], note="one run"),
            row("peak resident memory of the controller", "MiB", [peak], target=(None, 64.0),
                note="workers hold the working sets")]
