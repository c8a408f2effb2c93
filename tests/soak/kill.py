#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills a short campaign at random instants, the controller and its workers in turn.

After each kill: nothing of it runs and no control group of it is left 2 s later; the journal's
committed blocks (read by journal.py, not by cotenant) are in the result bit for bit after --resume;
the result opens with h5py and h5dump, validates, and has the same plan and seed as a campaign that
nobody disturbed.

tests/soak/kill.py [--times 200] [--seed N]
"""
import argparse
import glob
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import faults  # noqa: E402
import journal  # noqa: E402

SUITE = """
[suite]
name = kill
replicates = 3
warmup = 10ms
measure = 60ms
recovery = 10ms
epoch = 20ms
[tenant victim]
cpus = pu:0
[tenant {tenant}]
cpus = pu:0
shared = yes
{limit}
[victim null]
delay = 20us
[aggressor null]
tenant = {tenant}
intensity = 10
"""


class Broken(Exception):
    """What is not as it must be."""


def check(condition, text):
    if not condition:
        raise Broken(text)


class Campaign:
    def __init__(self, folder, limit):
        self.folder = Path(folder)
        self.result = self.folder / "k.h5"
        self.journal = self.folder / "k.h5.journal"
        # Names of control groups end with the tenant's: others' on this machine are not ours.
        self.tenant = f"kill{os.getpid()}"
        self.suite = self.folder / "k.ini"
        self.suite.write_text(SUITE.format(tenant=self.tenant, limit=limit))

    def clear(self):
        for path in self.folder.glob("k.h5*"):
            path.unlink()

    def groups(self):
        return glob.glob(f"/sys/fs/cgroup/**/cotenant-*-{self.tenant}", recursive=True)

    def arguments(self, *more):
        return [faults.COTENANT, "run", str(self.suite), "-o", str(self.result), "--seed", "11",
                *more]

    def start(self, mark):
        return subprocess.Popen(self.arguments("--progress", "json"), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "COTENANT_TEST_MARK": mark})

    def plan(self):
        """Seed, and (visit, cell, block, seed) of every block, which must not depend on kills."""
        import h5py
        with h5py.File(self.result) as file:
            rows = zip(*(file[f"blocks/{c}"][:].tolist() for c in
                         ("visit", "cell", "block", "seed")))
            return int(file.attrs["seed"]), int(file.attrs["complete"]), sorted(rows)


def workers_of(mark, controller):
    """Its workers, guardians left out: those clean up and are not to be met."""
    found = []
    for pid in faults.processes_of(mark):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if pid != controller and name != "cotenant-guard":
            found.append(pid)
    return found


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def strike(process, mark, what, draw):
    """Kills the controller, or one of its workers, now. False: there was nobody."""
    if what == "controller":
        process.kill()
        return True
    workers = workers_of(mark, process.pid)
    if not workers:
        return False
    try:
        os.kill(draw.choice(workers), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def check_result(campaign, reference, before):
    check(campaign.result.exists(), "no result")
    found = journal.in_result(campaign.result)
    for key, crc in before.items():
        check(found.get(key) == crc, f"block {key} is not what the journal committed")
    check(campaign.plan() == reference, "another plan or seed, or not complete")
    for words in ([faults.COTENANT, "validate", str(campaign.result)],
                  ["h5dump", "-H", str(campaign.result)]):
        tried = subprocess.run(words, capture_output=True, text=True, check=False)
        check(tried.returncode == 0, f"{words[0]}: {tried.stderr}")


def one(campaign, reference, what, delay, draw):
    """One kill. Returns how many blocks were committed then, or None when nobody was hit."""
    mark = f"cotenant-kill-{os.getpid()}-{draw.random()}"
    campaign.clear()
    process = campaign.start(mark)
    time.sleep(delay)
    hit = process.poll() is None and strike(process, mark, what, draw)
    errors = process.communicate(timeout=120)[1]
    left = faults.left_behind(mark)
    check(not left, f"processes left: {left}")
    check(wait_until(lambda: not campaign.groups(), faults.LEFT_BEHIND_S),
          f"control groups left: {campaign.groups()}")
    data = campaign.journal.read_bytes() if campaign.journal.exists() else b""
    before = journal.committed(data)
    if campaign.result.exists() and not data:
        # Workers were killed, or the end came first: the result itself is complete.
        check(process.returncode in (0, faults.ENVIRONMENT, -9), errors)
        check_result(campaign, reference, {})
        return len(reference[2]) if hit else None
    if not any(True for _ in journal.frames(data)):
        # Nothing had been measured: the campaign starts anew.
        check(not campaign.result.exists(), "a result out of nothing")
        return 0 if hit else None
    again = subprocess.run(campaign.arguments("--resume", "-q"), capture_output=True, text=True,
                           check=False, timeout=120)
    check(again.returncode in (0, faults.ENVIRONMENT), f"--resume: {again.stderr}")
    check_result(campaign, reference, before)
    return len(before) if hit else None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    limit = "cpu_quota = 50%" if os.geteuid() == 0 and subprocess.run(
        [faults.COTENANT, "noise", "null", "cpu_quota=50%", "-t", "100ms"], capture_output=True,
        check=False).returncode == 0 else ""
    hits = {"controller": 0, "worker": 0}
    committed, wrong, tries = [], 0, 0
    with tempfile.TemporaryDirectory(prefix="cotenant-kill-") as folder:
        campaign = Campaign(folder, limit)
        begin = time.monotonic()
        # Exit 4 where a busy machine left the aggressor no time: that is not what is looked at.
        first = subprocess.run(campaign.arguments("-q"), check=False, timeout=120)
        check(first.returncode in (0, faults.ENVIRONMENT), "the undisturbed campaign failed")
        length = time.monotonic() - begin
        reference = campaign.plan()
        while sum(hits.values()) < asked.times and tries < 3 * asked.times:
            what = ("controller", "worker")[tries % 2]
            tries += 1
            try:
                blocks = one(campaign, reference, what, draw.uniform(0, length), draw)
            except Broken as reason:
                wrong += 1
                hits[what] += 1
                print(f"kill {tries} of the {what}: {reason}", file=sys.stderr, flush=True)
                continue
            if blocks is not None:
                hits[what] += 1
                committed.append(blocks)
            if tries % 20 == 0:
                print(f"{sum(hits.values())} kills, {wrong} wrong", file=sys.stderr, flush=True)
    kept = sum(committed)
    print(f"{sum(hits.values())} kills in campaigns of {length:.1f} s and "
          f"{len(reference[2])} blocks: {hits['controller']} of the controller, {hits['worker']} "
          f"of a worker; {kept} committed blocks checked bit for bit, {wrong} campaigns wrong"
          f"{', with control groups' if limit else ''}")
    return 1 if wrong or sum(hits.values()) < asked.times else 0


if __name__ == "__main__":
    sys.exit(main())
