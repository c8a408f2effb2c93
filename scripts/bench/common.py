# SPDX-License-Identifier: Apache-2.0
"""What the parts of `make bench` share: alternated runs, ratios with intervals, rows of a table.

A part is a file here with `PART`, one line of what it shows, and `measure(bench)`, which returns
rows. Runs of ours and of the peer alternate in time, so that drift of the machine hits both.
"""
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESAMPLES = 2000


class CanNotMeasure(Exception):
    """A part can't run here; the text says why in one line."""


def interval(statistic, rounds, seed=1):
    """95 % interval of statistic(rounds) by resampling whole rounds (percentile bootstrap)."""
    draw = random.Random(seed)
    values = sorted(statistic(draw.choices(rounds, k=len(rounds))) for _ in range(RESAMPLES))
    return values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1]


def ratio_of_medians(rounds):
    return statistics.median(a for a, _ in rounds) / statistics.median(b for _, b in rounds)


def in_turns(measures, rounds, seed=1):
    """Calls each of {name: function} once a round, in a fresh random order; {name: [values]}."""
    draw = random.Random(seed)
    values = {name: [] for name in measures}
    for _ in range(rounds):
        order = list(measures)
        draw.shuffle(order)
        for name in order:
            values[name].append(measures[name]())
    return values


def row(figure, unit, ours, peer=None, target=None, commands=(), note="", peer_name=""):
    """
    A figure. `ours` and `peer` are values of the same rounds; without a peer the figure is the
    median of `ours`. `target` is (low, high) for the ratio, or for the figure itself without a
    peer; None leaves a side open. Met: the whole interval lies inside. Missed: all of it outside.
    """
    if peer:
        rounds = list(zip(ours, peer))
        value, (low, high) = ratio_of_medians(rounds), interval(ratio_of_medians, rounds)
    else:
        value, (low, high) = statistics.median(ours), interval(statistics.median, list(ours))
    return {"figure": figure, "unit": unit, "ours": statistics.median(ours),
            "peer": statistics.median(peer) if peer else None, "peer_name": peer_name,
            "value": value, "low": low, "high": high, "target": target,
            "verdict": verdict(low, high, target), "rounds": len(ours),
            "values": {"ours": list(ours), "peer": list(peer) if peer else None},
            "commands": list(commands), "note": note}


def verdict(low, high, target):
    if target is None:
        return "shown"
    at_least, at_most = target
    if (at_least is None or low >= at_least) and (at_most is None or high <= at_most):
        return "met"
    if (at_least is not None and high < at_least) or (at_most is not None and low > at_most):
        return "missed"
    return "unclear"


def read(path, default=""):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return default


def cpu_list(text):
    """'0-2,5' -> {0, 1, 2, 5}"""
    cpus = set()
    for piece in filter(None, text.split(",")):
        first, _, last = piece.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def machine():
    """One line of what these figures were measured on, and its parts."""
    cpuinfo = read("/proc/cpuinfo").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpuinfo
                  if line.startswith("model name")), platform.machine())
    virtual = any(line.startswith("flags") and " hypervisor" in line for line in cpuinfo)
    memory_kib = int(read("/proc/meminfo", "MemTotal: 0 kB").split()[1])
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "virtual": virtual,
            "memory_gib": round(memory_kib / 2**20, 1), "kernel": platform.release(),
            "clocksource": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "unknown")}


def machine_line(about):
    kind = "a virtual machine" if about["virtual"] else "bare metal"
    return (f"{about['cpu']}, {about['cpus']} CPUs, {about['memory_gib']} GiB, {kind}, "
            f"Linux {about['kernel']}, clocksource {about['clocksource']}, "
            f"governor {about['governor']}")


def text_of(command):
    return " ".join(str(word) for word in command)


class Background:
    """A command that runs beside what is measured; `with` starts it and ends its whole group."""

    def __init__(self, command, settle):
        self.command, self.settle, self.process = [str(word) for word in command], settle, None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, cwd=ROOT, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        time.sleep(self.settle)
        if self.process.poll() is not None:
            raise CanNotMeasure(f"'{text_of(self.command)}' ended at once, "
                                f"status {self.process.returncode}")
        return self

    def __exit__(self, *_):
        group = self.process.pid
        os.killpg(group, signal.SIGINT)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Bench:
    """Where things lie, which CPUs to use, and how to run commands."""

    def __init__(self, build, rounds):
        self.build = Path(build)
        self.cotenant = str(self.build / "cotenant")
        self.rounds = rounds
        self.victim_cpu, self.noise_cpu = self.choose_cpus()
        (self.build / "bench").mkdir(parents=True, exist_ok=True)

    @staticmethod
    def choose_cpus():
        """A CPU for the victim and one on another core for the noise."""
        cpus = sorted(os.sched_getaffinity(0))
        siblings = cpu_list(read(f"/sys/devices/system/cpu/cpu{cpus[0]}/topology/"
                                 "thread_siblings_list", str(cpus[0])))
        others = [cpu for cpu in cpus if cpu not in siblings]
        if not others:
            raise SystemExit("make bench needs two cores")
        return cpus[0], others[0]

    @staticmethod
    def need(*tools):
        for tool in tools:
            if not shutil.which(tool):
                raise CanNotMeasure(f"{tool} is missing: scripts/setup.sh --bench installs it")

    @staticmethod
    def run(command, timeout=120, good=(0,)):
        """Standard output of a command that has to end well; standard error is added to it."""
        command = [str(word) for word in command]
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                              check=False)
        if done.returncode not in good:
            lines = done.stdout.strip().splitlines() or ["no output"]
            raise CanNotMeasure(f"'{text_of(command)}': status {done.returncode}: {lines[-1]}")
        return done.stdout

    def run_json(self, command, timeout=120):
        text = self.run(command, timeout)
        begin = text.find("{")
        try:
            return json.loads(text[begin:])
        except ValueError as error:
            raise CanNotMeasure(f"'{text_of(command)}' printed no JSON: {error}") from error

    def bench_command(self, victim, *words, seconds, cpu=None):
        cpu = self.victim_cpu if cpu is None else cpu
        return [self.cotenant, "bench", victim, f"cpus=pu:{cpu}", *words, "-t", f"{seconds}s",
                "--json"]

    def noise_command(self, aggressor, *words, seconds, cpu=None):
        cpu = self.noise_cpu if cpu is None else cpu
        return [self.cotenant, "noise", aggressor, f"cpus=pu:{cpu}", *words, "-t", f"{seconds}s",
                "--json"]

    def median_ns(self, command):
        """p50 of a `cotenant bench ... --json`."""
        return self.run_json(command)["quantiles"]["0.5"]
