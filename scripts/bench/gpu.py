# SPDX-License-Identifier: Apache-2.0
"""The part of ci/gpu.sh that runs things and makes the table: see there.

A ratio is made of two figures of this one run on this one GPU. `wanted` is what the project promises;
a ratio below it is a failure. Rows without one are there to be read.
"""
import argparse
import contextlib
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

GOOD, USAGE = 0, 2
# What a promise is judged by: so many runs of ours and of the plain calls, in turns, and the medians of both.
PAIRS = 3


class Checks:
    """Counts, and the rows of the table."""

    def __init__(self):
        self.passed = self.failed = 0
        self.rows = []

    def check(self, good, what):
        """One check, told at once."""
        self.passed += bool(good)
        self.failed += not good
        print(f"{'good  ' if good else 'FAILED'} {what}", flush=True)

    def row(self, name, value, unit, against="", ratio=None, wanted=None):
        """A figure, and what it is compared with."""
        held = "" if wanted is None or ratio is None else ("yes" if ratio >= wanted else "NO")
        self.rows.append((name, scaled(value, unit), against,
                          "" if ratio is None else f"{ratio:.3f}",
                          "" if wanted is None else f"{wanted:g}", held))
        if wanted is not None and ratio is not None:
            self.check(ratio >= wanted, f"{name}: {ratio:.3f} of {against}, at least {wanted:g}")

    def table(self):
        """Markdown."""
        head = ("what", "figure", "against", "ratio", "wanted", "held")
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines)


def scaled(value, unit):
    """1.23e12, "B/s" -> "1.23 TB/s"."""
    if not value or not math.isfinite(value):
        return f"{value} {unit}"
    step = max(0, min(5, int(math.log10(abs(value)) // 3)))
    return f"{value / 1000 ** step:.4g} {['', 'k', 'M', 'G', 'T', 'P'][step]}{unit}"


class Runner:
    """Starts the program; a failure is a check that failed, and ends nothing else."""

    def __init__(self, args, checks):
        self.args, self.checks = args, checks
        self.cotenant = str(Path(args.build) / "cotenant")
        self.environment = dict(os.environ)
        if args.stand_in:
            standin = Path(args.build).resolve() / "tests" / "standin"
            image = Path(args.out).resolve() / "kernels.ptx"
            image.write_text(".version 7.4\n")
            self.environment.update(
                COTENANT_CUDA=str(standin / "libcuda.so.1"), COTENANT_KERNELS=str(image),
                COTENANT_CUDA_STANDIN="gpus=1 sms=2", COTENANT_CUDA_FAIL="")

    def run(self, *words, timeout=300, cpu=None):
        """Exit status and output; a status of -1 when it took too long. `cpu`: on that one only."""
        pin = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
        try:
            return subprocess.run(list(map(str, words)), capture_output=True, text=True,
                                  timeout=timeout, check=False, env=self.environment,
                                  preexec_fn=pin)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, -1, "", f"not done after {timeout} s")

    def json(self, what, *words, cpu=None):
        """What a command says with --json, or None."""
        result = self.run(*words, cpu=cpu)
        if result.returncode == GOOD:
            return json.loads(result.stdout)
        self.checks.check(False, f"{what}: {(result.stderr.strip().splitlines() or ['?'])[-1]}")
        return None

    def noise(self, name, *words, seconds=1):
        """Units a second of an aggressor alone."""
        value = self.json(f"noise {name}", self.cotenant, "noise", name, f"gpu={self.args.gpu}", *words,
                          "-t", f"{0.1 if self.args.stand_in else seconds}s", "--json")
        return value and value["rate"]

    def bench(self, name, *words, seconds=2):
        """Median latency of a victim alone in ns."""
        value = self.json(f"bench {name}", self.cotenant, "bench", name, f"gpu={self.args.gpu}", *words,
                          "-t", f"{0.5 if self.args.stand_in else seconds}s", "--json")
        if value and not value.get("count"):
            self.checks.check(False, f"bench {name}: not one sample in its time")
            return None
        return value and value["quantiles"]["0.5"]

    def plain(self, figure, statistic, cpu=None):
        """What the driver's own calls reach in a plain loop: see tests/gpu/ceilings.c."""
        value = self.json(f"ceilings {figure}", Path(self.args.build) / "tests/gpu/ceilings",
                          self.args.gpu, 16 if self.args.stand_in else 1024, figure, cpu=cpu)
        return value and value[figure][statistic]


def in_turns(ours, plain):
    """Medians of PAIRS figures of each, taken in turns, the first one changing; None: not measured."""
    pairs = []
    for turn in range(PAIRS):
        if turn % 2:
            b, a = plain(), ours()
        else:
            a, b = ours(), plain()
        pairs.append((a, b))
    if not all(a and b for a, b in pairs):
        return None, None
    return tuple(statistics.median(column) for column in zip(*pairs))


def ratio(a, b):
    """None where one is missing."""
    return a / b if a and b else None


def check_kernels(runner):
    """Every kernel against double precision."""
    result = runner.run(Path(runner.args.build) / "tests/gpu/check_kernels", runner.args.gpu)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    lines = [line for line in result.stdout.splitlines() if ": " in line or "good," in line]
    for line in lines:
        runner.checks.check("good," in line, f"kernel {line.split('  ')[0]} against fp64")
    if not lines:
        runner.checks.check(False, f"check_kernels: {result.stderr.strip()}")


def measure_links(runner):
    """Memory and PCIe, against the driver's own copies."""
    small = runner.args.stand_in
    footprint = "footprint=2M" if small else "footprint=2G"
    rate, copies = in_turns(lambda: runner.noise("gpu_hbm", "op=copy", footprint),
                            lambda: runner.plain("dtod", "best"))
    runner.checks.row("gpu_hbm op=copy", rate or 0, "B/s", "cuMemcpyDtoD, both ways counted",
                      ratio(rate, copies), want(runner, True, 0.92))
    for operation in ("read", "write"):
        rate = runner.noise("gpu_hbm", f"op={operation}", footprint)
        runner.checks.row(f"gpu_hbm op={operation}", rate or 0, "B/s", "cuMemcpyDtoD, both ways counted",
                          ratio(rate, copies))
    rate = runner.noise("gpu_l2", *(["footprint=64K"] if small else []))
    runner.checks.row("gpu_l2", rate or 0, "B/s", "cuMemcpyDtoD, both ways counted",
                      ratio(rate, copies))
    for way in ("h2d", "d2h", "both"):
        rate, copies = in_turns(
            lambda way=way: runner.noise("gpu_pcie", f"direction={way}",
                                         "footprint=1M" if small else "footprint=64M"),
            lambda way=way: runner.plain(way, "mean"))
        runner.checks.row(f"gpu_pcie direction={way}", rate or 0, "B/s", "plain pinned copies of 64 MiB",
                          ratio(rate, copies), want(runner, True, 0.97))


def want(runner, promised, value):
    """The stand-in promises nothing."""
    return value if promised and not runner.args.stand_in else None


def measure_arithmetic(runner):
    """Matrix products and the SMs' units, against cuBLASLt where it is there."""
    small = runner.args.stand_in
    side = 8192
    sizes = ["m=128", "n=256", "k=64"] if small else [f"m={side}", f"n={side}", f"k={side}"]
    work = 2.0 * 128 * 256 * 64 if small else 2.0 * side ** 3
    libraries = {}
    for precision in ("bf16", "fp16", "tf32", "fp32"):
        words = [f"precision={precision}", *sizes]
        fixed = runner.bench("gpu_gemm", *words, "backend=fixed")
        library = None if small else runner.bench("gpu_gemm", *words, "backend=cublaslt")
        libraries[precision] = library and work / library * 1e9
        runner.checks.row(f"gpu_gemm {precision} {work ** (1 / 3) / 2 ** (1 / 3):.0f}^3 fixed",
                          fixed and work / fixed * 1e9 or 0, "op/s", "cuBLASLt",
                          ratio(fixed and work / fixed * 1e9, libraries[precision]),
                          want(runner, precision == "bf16", 0.6))
    rates = {}
    for unit in ("tensor", "fma", "sfu"):
        rates[unit] = runner.noise("gpu_sm", f"unit={unit}")
    runner.checks.row("gpu_sm unit=tensor", rates["tensor"] or 0, "op/s", "cuBLASLt bf16",
                      ratio(rates["tensor"], libraries["bf16"]), want(runner, True, 0.8))
    runner.checks.row("gpu_sm unit=fma", rates["fma"] or 0, "op/s", "cuBLASLt fp32",
                      ratio(rates["fma"], libraries["fp32"]))
    # An SM has one special function unit for eight multiply-adds, which are two operations each.
    runner.checks.row("gpu_sm unit=sfu", rates["sfu"] or 0, "op/s", "gpu_sm unit=fma / 16",
                      ratio(rates["sfu"], rates["fma"] and rates["fma"] / 16))


def power(runner):
    """Watts under gpu_power, and the limit, as nvidia-smi says; None where it does not."""
    if runner.args.stand_in or not shutil.which("nvidia-smi"):
        return None
    with subprocess.Popen([runner.cotenant, "noise", "gpu_power", f"gpu={runner.args.gpu}", "-t", "8s"],
                          stdout=subprocess.DEVNULL) as load:
        time.sleep(6)
        said = runner.run("nvidia-smi", "-i", runner.args.gpu, "--format=csv,noheader,nounits",
                          "--query-gpu=power.draw,power.limit")
        load.wait(timeout=30)
    try:
        drawn, limit = map(float, said.stdout.strip().split(","))
    except ValueError:
        return None
    return drawn, limit


def measure_launch(runner):
    """Ours and the bare loop on the same CPU: which one it is makes 10 % in a virtual machine."""
    cpu = min(os.sched_getaffinity(0))
    launch, bare = in_turns(lambda: runner.bench("gpu_launch", f"cpus=pu:{cpu}", "shared=yes"),
                            lambda: runner.plain("launch", "median", cpu))
    # Within 5 %: the bare loop has to reach 95 % of our latency.
    runner.checks.row("gpu_launch p50", (launch or 0) / 1e3, "us", "a bare driver loop, its p50 over ours",
                      ratio(bare, launch), want(runner, True, 0.95))


def measure_rest(runner):
    """The front end, the driver, atomics, power."""
    measure_launch(runner)
    for operation in ("launch", "memset", "memcpy"):
        runner.checks.row(f"gpu_launch_flood op={operation}",
                          runner.noise("gpu_launch_flood", f"op={operation}") or 0, "op/s")
    for operation in ("memory", "context"):
        runner.checks.row(f"gpu_alloc_churn op={operation}",
                          runner.noise("gpu_alloc_churn", f"op={operation}") or 0, "op/s")
    for counters in (1, 4096):
        runner.checks.row(f"gpu_atomics counters={counters}",
                          runner.noise("gpu_atomics", f"counters={counters}") or 0, "op/s")
    rate = runner.noise("gpu_power", *(["footprint=1M"] if runner.args.stand_in else []))
    runner.checks.row("gpu_power", rate or 0, "op/s")
    watts = power(runner)
    if watts:
        runner.checks.row("gpu_power", watts[0], "W", "power limit", ratio(*watts))


# Short phases and two replicates: a look that fits into ten minutes, not a result. For one run the
# suites as they are.
SHORT = ["suite.replicates=2", "suite.warmup=50ms", "suite.measure=200ms", "suite.recovery=50ms"]
# Beside a neighbour under MPS a step takes up to twenty times as long: a smaller model, so that short
# phases have the hundred steps that a p99 needs.
SHORTER_STEPS = {"gpu-green": ["victim.gpu_decode.layers=1", "victim.gpu_decode.vocabulary=8000"]}
# What stands in for a GPU is a CPU: sizes that it can do, and CPUs that are shared with it.
SMALL = ["suite.warmup=20ms", "suite.measure=60ms", "suite.recovery=10ms", "suite.epoch=10ms",
         "tenant.victim.shared=yes", "tenant.neighbour.shared=yes",
         "victim.gpu_decode.layers=1", "victim.gpu_decode.hidden=64", "victim.gpu_decode.context=32",
         "victim.gpu_decode.vocabulary=64", "victim.gpu_spin.work=100", "victim.gpu_chase.loads=256",
         "victim.gpu_chase.working_set=64K", "aggressor.gpu_hbm.footprint=1M",
         "aggressor.gpu_l2.footprint=64K", "aggressor.gpu_power.footprint=1M",
         "aggressor.gpu_pcie.footprint=1M", "aggressor.gpu_alloc_churn.footprint=64K",
         "config.green.tenant.victim.gpu=0/sms:0-7", "config.green.tenant.neighbour.gpu=0/sms:8-15"]


def settings(runner, name):
    """Those of SMALL that the suite has sections for."""
    if not runner.args.stand_in:
        return SHORT + SHORTER_STEPS.get(name, [])
    text = Path(f"suites/{name}.ini").read_text()
    return SHORT + [one for one in SMALL
                    if "[" + " ".join(one.split(".")[:2]) + "]" in text or one.startswith("suite.")]


def stand_in_for(runner, name):
    """The machine that the suite asks for, as NVML and the driver describe it."""
    if not runner.args.stand_in:
        return
    mps = name in ("gpu-green", "gpu-mps")
    fixture = Path("tests/fixtures/nvml") / ("mps-node.txt" if mps else "h200.txt")
    library = Path(runner.args.build).resolve() / "tests/standin/libnvidia-ml.so.1"
    runner.environment.update(COTENANT_NVML=str(library), COTENANT_NVML_STANDIN=str(fixture.resolve()),
                              COTENANT_CUDA_STANDIN=f"gpus=1 sms={16 if mps else 2} mps={int(mps)}")


def run_suite(runner, name):
    """A suite that fits is run, validated and shown; one that does not says why."""
    out = Path(runner.args.out) / f"{name}.h5"
    for old in Path(runner.args.out).glob(f"{name}.h5*"):
        old.unlink()
    stand_in_for(runner, name)
    words = [runner.cotenant, "run", f"suites/{name}.ini", "-o", out, "--seed", "1", "--progress", "none"]
    for one in settings(runner, name):
        words += ["--set", one]
    result = runner.run(*words, timeout=400)
    last = (result.stderr.strip().splitlines() or [""])[-1]
    if (result.returncode == USAGE and ("expect = " in last or "near:gpu0" in last)
            or "there is no such MIG device" in last):
        print(f"       suite {name}: not here: {last}")
        return
    runner.checks.check(result.returncode == GOOD, f"suite {name} ran {last}")
    if out.exists():
        valid = runner.run(runner.cotenant, "validate", out)
        runner.checks.check(valid.returncode == GOOD, f"suite {name}: its file is valid")
        print(runner.run(runner.cotenant, "show", out).stdout, flush=True)


class Mps:
    """An MPS server of this run's own, for the suites that ask for one."""

    def __init__(self, runner):
        self.runner = runner
        folder = Path(runner.args.out).resolve() / "mps"
        self.own = {"CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"),
                    "CUDA_MPS_LOG_DIRECTORY": str(folder / "log")}

    def __enter__(self):
        for folder in self.own.values():
            os.makedirs(folder, exist_ok=True)
        self.runner.environment.update(self.own)
        started = self.runner.run("nvidia-cuda-mps-control", "-d")
        self.runner.checks.check(started.returncode == GOOD,
                                 f"an MPS server started {started.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["nvidia-cuda-mps-control"], input="quit\n", text=True, check=False,
                       env=self.runner.environment, timeout=60)
        for name in self.own:
            del self.runner.environment[name]


def run_suites(runner):
    """Each in the state that it asks for, as far as that takes no more than a process."""
    for name in ("gpu-timeslice", "gpu-mig", "gpu-pcie"):
        run_suite(runner, name)
    with Mps(runner) if runner.args.mps else contextlib.nullcontext():
        for name in ("gpu-green", "gpu-mps"):
            run_suite(runner, name)


def describe(device, stand_in):
    """What the figures are from."""
    return (f"\n{device['name']}, {device['sms']} of {device['all_sms']} SMs, "
            f"CUDA {device['cuda'] // 1000}.{device['cuda'] % 1000 // 10}, {platform.node()}, "
            f"{time.strftime('%Y-%m-%d')}"
            f"{', STAND-IN: no figure means anything' if stand_in else ''}\n")


def main():
    """See ci/gpu.sh."""
    parser = argparse.ArgumentParser(prog="ci/gpu.sh")
    parser.add_argument("gpu", nargs="?", default="0")
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--mps", action="store_true")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--out", default="build/gpu", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.mps and not shutil.which("nvidia-cuda-mps-control"):
        parser.error("--mps: nvidia-cuda-mps-control was not found; it comes with the driver")
    os.makedirs(args.out, exist_ok=True)
    checks = Checks()
    runner = Runner(args, checks)
    begin = time.monotonic()

    device = runner.json("ceilings", Path(args.build) / "tests/gpu/ceilings", args.gpu, 1, "launch")
    if not device:
        print("0 passed, 1 failed")
        return 1
    check_kernels(runner)
    measure_links(runner)
    measure_arithmetic(runner)
    measure_rest(runner)
    print(describe(device["gpu"], args.stand_in))
    print(checks.table(), flush=True)
    run_suites(runner)
    print(f"\n{time.monotonic() - begin:.0f} s")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
