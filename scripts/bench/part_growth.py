# SPDX-License-Identifier: Apache-2.0
"""How the harness's own cost grows: cells up to 10^4, tenants up to 256.

Workers are simulated (tests/bench/simulated_worker.c): they answer at once, so all of the time is
the controller's, the store's and the processes' own. A cost that grows with the campaign shows as a
ratio, of the largest to the smallest, above 1.
"""
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from common import ROOT, CanNotMeasure, row, text_of

PART = "the harness's own cost as cells and tenants grow (simulated workers)"
GRIDS = ((10, 10), (32, 32), (100, 100))  # victims, aggressors; a tenant each, two blocks a cell
TENANTS = (16, 64, 256)  # all but two of them victims, beside two aggressors
READERS = ("show", "validate", "analyze", "report")
SUITE = """[suite]
name = growth
replicates = 2
warmup = 1ms
measure = 10ms
recovery = 10ms
epoch = 10ms
"""


def suite_of(victims, aggressors, program):
    tenants = "".join(f"[tenant t{i}]\ncpus = pu:0\nshared = yes\nprogram = {program}\n"
                      for i in range(victims + aggressors))
    work = "".join(f"[victim v{i}]\nkind = null\ntenant = t{i}\n" for i in range(victims))
    noise = "".join(f"[aggressor a{i}]\nkind = null\ntenant = t{victims + i}\n"
                    for i in range(aggressors))
    return SUITE + tenants + work + noise


class Campaign:
    """One campaign of simulated workers and what it cost."""

    def __init__(self, bench, folder, victims, aggressors):
        self.cotenant, self.cells = bench.cotenant, victims * aggressors
        worker = (bench.build / "tests" / "bench" / "simulated_worker").resolve()
        if not worker.exists():
            raise CanNotMeasure(f"{worker} is not built: make bench-tools")
        self.suite = folder / f"{victims}x{aggressors}.ini"
        self.suite.write_text(suite_of(victims, aggressors, worker))
        self.path = self.suite.with_suffix(".h5")

    def run(self):
        """Seconds before the first block and from its end to the last one's, and peak memory."""
        version = subprocess.run([self.cotenant, "--version"], capture_output=True, text=True,
                                 check=True).stdout
        identity = re.search(r"build ([0-9a-f]+)", version)[1]
        command = [self.cotenant, "run", self.suite, "-o", self.path, "--progress", "json"]
        begin, first, last = time.monotonic(), None, None
        process = subprocess.Popen([str(word) for word in command], cwd=ROOT,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "COTENANT_SIMULATED_BUILD": identity})
        words = ""
        for line in process.stderr:
            if line.startswith('{"event":"block"'):
                last = time.monotonic()
                first = first or last
            elif not line.startswith("{"):
                words = line.strip()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise CanNotMeasure(f"'{text_of(command)}': status {process.returncode}: {words}")
        self.start_s = first - begin
        self.block_ms = (last - first) * 1e3 / (2 * self.cells - 1)
        self.end_s = time.monotonic() - last
        self.memory_mib = usage.ru_maxrss / 1024
        self.kib_a_block = self.path.stat().st_size / 1024 / (2 * self.cells)
        return self

    def read(self, command):
        """Seconds that a reader takes."""
        words = [self.cotenant, command, self.path]
        if command == "report":
            words += ["-o", self.path.with_suffix(".html")]
        begin = time.monotonic()
        done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True,
                              text=True, check=False)
        if done.returncode not in (0, 1, 3):
            raise CanNotMeasure(f"'{text_of(words)}': status {done.returncode}: {done.stderr.strip()}")
        return time.monotonic() - begin


def size_rows(campaign, name):
    return [row(f"{name}: before the first block", "s", [campaign.start_s]),
            row(f"{name}: a block", "ms", [campaign.block_ms]),
            row(f"{name}: after the last block", "s", [campaign.end_s]),
            row(f"{name}: peak memory of the controller", "MiB", [campaign.memory_mib]),
            row(f"{name}: file, a block", "KiB", [campaign.kib_a_block])]


def measure(bench):
    rows = []
    with tempfile.TemporaryDirectory(prefix="cotenant-growth-") as folder:
        for victims, aggressors in GRIDS:
            campaign = Campaign(bench, Path(folder), victims, aggressors).run()
            name = f"{campaign.cells} cells"
            rows += size_rows(campaign, name)
            rows += [row(f"{name}: {command}", "s", [campaign.read(command)]) for command in READERS]
        for tenants in TENANTS:
            campaign = Campaign(bench, Path(folder), tenants - 2, 2).run()
            rows += size_rows(campaign, f"{tenants} tenants")
    return rows
