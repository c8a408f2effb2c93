# SPDX-License-Identifier: Apache-2.0
"""Faults of the world a campaign runs in: a CPU that is taken away, a link that goes down, a GPU that
is lost. Each is made while blocks are measured and undone when the first block has ended.

tests/cli/test_world_faults.py runs each once; tests/soak/faults.py many times. Control groups,
namespaces and links are made here and removed here.
"""
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import faults

STANDIN = Path(faults.COTENANT).resolve().parent / "tests" / "standin" / "libcuda.so.1"
BLOCKS = 4
SUITE = """
[suite]
name = world
replicates = 4
warmup = 20ms
measure = 200ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
{victim}
[tenant neighbour]
cpus = pu:0
shared = yes
{more}
{workload}
tenant = victim
[aggressor null]
tenant = neighbour
intensity = 10
"""


def sh(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class World:
    """One fault. `cause` is what the stored reason must say, `why_not` why it can't be made here."""
    name = cause = ""
    environment = {}

    def why_not(self):
        return "" if os.geteuid() == 0 else "needs root"

    def prepare(self, folder):
        """Makes what it needs; the text of the suite."""
        raise NotImplementedError

    def enter(self):
        """In the controller's process, before it is the controller."""

    def strike(self):
        pass

    def undo(self):
        pass

    def remove(self):
        pass


class CpuTaken(World):
    """What hot-unplugging does to a thread as well: the kernel moves it to another CPU."""
    name = "a CPU is taken from the cpuset"
    cause = "CPU 0"

    def __init__(self):
        self.group = Path(f"/sys/fs/cgroup/cpuset/fault-{os.getpid()}")

    def why_not(self):
        if not Path("/sys/fs/cgroup/cpuset/cpuset.cpus").exists():
            return "needs control groups of version 1 with cpuset"
        return "needs two CPUs" if os.cpu_count() < 2 else super().why_not()

    def put(self, name, text):
        descriptor = os.open(self.group / name, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def prepare(self, folder):
        self.group.mkdir()
        self.put("cpuset.cpus", "0-1")
        self.put("cpuset.mems", "0")
        return SUITE.format(victim="", more="", workload="[victim null]\ndelay = 20us")

    def enter(self):
        self.put("cgroup.procs", str(os.getpid()))

    def strike(self):
        self.put("cpuset.cpus", "1")

    def undo(self):
        self.put("cpuset.cpus", "0-1")

    def remove(self):
        for _ in range(100):
            try:
                self.group.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.02)  # the kernel has not buried the last process yet


class LinkDown(World):
    name = "the victim's link goes down"
    cause = "has not answered"

    def __init__(self):
        self.near, self.far = (f"fault{os.getpid()}{end}" for end in "ab")

    def why_not(self):
        return super().why_not() or ("" if shutil.which("ip") else "needs ip")

    def prepare(self, folder):
        for name in (self.near, self.far):
            sh("ip", "netns", "add", name)
        sh("ip", "link", "add", "f0", "netns", self.near, "type", "veth", "peer", "name", "f0",
           "netns", self.far)
        for name, address in ((self.near, "10.199.0.1/24"), (self.far, "10.199.0.2/24")):
            sh("ip", "-n", name, "addr", "add", address, "dev", "f0")
            sh("ip", "-n", name, "link", "set", "f0", "up")
        peer = (f"[tenant peer]\ncpus = pu:0\nshared = yes\nvia = ip netns exec {self.far}\n"
                "address = 10.199.0.2")
        return SUITE.format(victim=f"shared = yes\nvia = ip netns exec {self.near}", more=peer,
                            workload="[victim tcp_rr]\npeer = peer")

    def strike(self):
        sh("ip", "-n", self.near, "link", "set", "f0", "down")

    def undo(self):
        sh("ip", "-n", self.near, "link", "set", "f0", "up")

    def remove(self):
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class GpuLost(World):
    """Against the stand-in for the driver: from one call on every call fails, in one worker."""
    name = "the GPU is lost (stand-in driver)"
    cause = "uncorrectable ECC error"
    launcher = """#!/bin/sh
[ ! -e "{folder}/lost" ] || {{ rm "{folder}/lost"; export COTENANT_CUDA_FAIL=cuMemcpyHtoDAsync:9:214; }}
exec "$@"
"""
    environment = {"COTENANT_CUDA": str(STANDIN), "COTENANT_CUDA_STANDIN": "sms=4"}

    def why_not(self):
        return "" if STANDIN.exists() else f"{STANDIN} is not built"

    def prepare(self, folder):
        self.flag = folder / "lost"
        launcher = folder / "launcher"
        launcher.write_text(self.launcher.format(folder=folder))
        launcher.chmod(0o755)
        return SUITE.format(victim=f"via = {launcher}", more="",
                            workload="[victim gpu_copy]\nsize = 4K")

    def strike(self):
        self.flag.touch()  # for the worker of the next block


WORLDS = [CpuTaken, LinkDown, GpuLost]


def events_of(process):
    for line in process.stderr:
        try:
            yield json.loads(line), line
        except ValueError:
            yield {}, line


def watch(process, world):
    """Strikes after the first phase, undoes it after the first block that failed; what was told."""
    struck = undone = False
    told = ""
    for event, line in events_of(process):
        told += line
        if event.get("event") == "phase" and not struck:
            world.strike()
            struck = True
        if event.get("event") == "block" and event.get("message") and not undone:
            world.undo()
            undone = True
    return struck, told


def campaign_in(world, folder):
    """A campaign in which the fault is made, as faults.Outcome."""
    mark = f"COTENANT_TEST_MARK={folder}"
    result = folder / "r.h5"
    try:
        suite = folder / "world.ini"
        suite.write_text(world.prepare(folder))
        process = subprocess.Popen(
            [faults.COTENANT, "run", suite, "-o", result, "--seed", "7", "--progress", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=world.enter, env={**os.environ, **world.environment,
                                         "COTENANT_TEST_MARK": str(folder)})
        struck, told = watch(process, world)
        status = process.wait(timeout=60)
        orphans = faults.left_behind(mark)
    finally:
        world.remove()
    blocks = faults.blocks_of(result) if result.exists() else []
    reasons = [message for kind, message in blocks if kind == 1]
    return faults.Outcome(int(struck), status, len(blocks), len(reasons), reasons,
                          max(0, faults.done_blocks(told) - len(blocks)), orphans, told)


def verdict(world, outcome):
    """What is wrong with the outcome; empty when nothing is."""
    wrong = []
    if outcome.status != faults.ENVIRONMENT:
        wrong.append(f"exit {outcome.status}, not {faults.ENVIRONMENT}")
    if not 1 <= outcome.failed < BLOCKS:
        wrong.append(f"{outcome.failed} of {BLOCKS} blocks failed: it must be one or two")
    if outcome.stored != BLOCKS:
        wrong.append(f"{outcome.stored} of {BLOCKS} blocks in the file")
    if outcome.left_behind:
        wrong.append(f"left behind: {outcome.left_behind}")
    if outcome.reasons and world.cause not in outcome.reasons[0]:
        wrong.append(f"the reason does not say '{world.cause}': {outcome.reasons[0]}")
    return "; ".join(wrong) and "; ".join(wrong) + "\n" + outcome.errors
