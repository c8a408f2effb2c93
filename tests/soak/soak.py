#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long campaign of many short blocks, watched from outside: memory and descriptors of the
controller, memory of its workers, size of the journal, baseline of the victims.

tests/soak/soak.py [--time 2h] [--plot FILE.svg] [--keep FILE.h5]

A leak is a slope over the time after the first fifth whose 95 % interval lies above 0 and which
would add more than 1 MiB (controller) in the whole run. The interval is by blocks of a twentieth:
samples that follow each other are not independent.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import faults  # noqa: E402

SUITE = """
[suite]
name = soak
replicates = 10000
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
[tenant neighbour]
cpus = pu:1
[victim null]
delay = 20us
[victim mem_latency]
working_set = 256K
[aggressor null]
[aggressor cpu]
threads = 1
intensity = 20
"""
EVERY_S = 2.0
T_19 = 2.093  # Student's t, 19 degrees of freedom, 95 % two-sided
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024


def seconds(text):
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def resident_kb(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB
    except OSError:
        return None


def count_descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def workers(mark, controller):
    return [resident_kb(pid) for pid in faults.processes_of(mark) if pid != controller]


def slope(times, values):
    """Change per hour with its 95 % interval, from the means of twenty pieces."""
    n = len(values) // 20
    t = [statistics.fmean(times[i * n:(i + 1) * n]) / 3600 for i in range(20)]
    v = [statistics.fmean(values[i * n:(i + 1) * n]) for i in range(20)]
    line = statistics.linear_regression(t, v)
    rest = [y - line.slope * x - line.intercept for x, y in zip(t, v)]
    spread = sum((x - statistics.fmean(t)) ** 2 for x in t)
    error = T_19 * (sum(r * r for r in rest) / 18 / spread) ** 0.5
    return line.slope, line.slope - error, line.slope + error


def watch(process, mark, journal, duration):
    """(time, controller KB, worst worker KB, descriptors, journal bytes), again and again."""
    rows, begin = [], time.monotonic()
    while process.poll() is None and time.monotonic() - begin < duration:
        of_workers = [kb for kb in workers(mark, process.pid) if kb]
        own, descriptors = resident_kb(process.pid), count_descriptors(process.pid)
        if own and descriptors:
            rows.append((time.monotonic() - begin, own, max(of_workers, default=0), descriptors,
                         journal.stat().st_size if journal.exists() else 0))
        time.sleep(EVERY_S)
    return rows


def plot(path, rows, baselines):
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(5, 1, figsize=(8, 11), sharex=False)
    minutes = [row[0] / 60 for row in rows]
    titles = ("controller, resident (MiB)", "largest worker, resident (MiB)",
              "descriptors of the controller", "journal (MiB)")
    scales = (1024, 1024, 1, 2 ** 20)
    for i, (title, scale) in enumerate(zip(titles, scales)):
        axes[i].plot(minutes, [row[i + 1] / scale for row in rows], linewidth=0.8)
        axes[i].set_ylabel(title, fontsize=8)
        axes[i].set_ylim(bottom=0)
    for name, points in baselines.items():
        axes[4].plot([p[0] / 60 for p in points], [p[1] for p in points], ".", markersize=2,
                     label=name)
    axes[4].set_ylabel("baseline mean (ns)", fontsize=8)
    axes[4].set_yscale("log")
    axes[4].legend(fontsize=8)
    axes[4].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path)


def baselines_of(result):
    """{victim: [(seconds, mean ns)]} of all baseline phases."""
    import h5py
    with h5py.File(result) as file:
        names = [n.decode() for n in file["victims/name"][:]]
        victim = file["cells/victim"][:][file["phases/cell"][:]]
        role, count = file["phases/role"][:], file["phases/count"][:]
        start, mean = file["phases/start_ns"][:].astype(float), file["phases/mean_ns"][:]
    keep = (role == 0) & (count > 0)
    begin = start[keep].min()
    return {name: [((s - begin) / 1e9, m) for s, m, v, k in zip(start, mean, victim, keep)
                   if k and v == i] for i, name in enumerate(names)}


def drift(points):
    """Median of the last fifth over median of the first, in percent."""
    n = max(1, len(points) // 5)
    first = statistics.median(p[1] for p in points[:n])
    return (statistics.median(p[1] for p in points[-n:]) / first - 1) * 100


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", type=seconds, default=seconds("2h"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    mark = f"cotenant-soak-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="cotenant-soak-") as folder:
        suite, result = Path(folder) / "soak.ini", Path(folder) / "soak.h5"
        suite.write_text(SUITE)
        process = subprocess.Popen(
            [faults.COTENANT, "run", suite, "-o", result, "--seed", "1", "-q"],
            env={**os.environ, "COTENANT_TEST_MARK": mark}, stderr=subprocess.PIPE, text=True)
        rows = watch(process, mark, Path(f"{result}.journal"), asked.time)
        process.terminate()
        errors = process.communicate(timeout=120)[1]
        left = faults.left_behind(mark)
        check = faults.run(folder, "validate", result)
        baselines = baselines_of(result)
        blocks = faults.blocks_of(result)
        size = result.stat().st_size
        if asked.keep:
            asked.keep.write_bytes(result.read_bytes())
    steady = rows[len(rows) // 5:]
    times = [row[0] for row in steady]
    hours = rows[-1][0] / 3600
    own = slope(times, [row[1] for row in steady])
    growth = slope(times, [row[4] / 1024 for row in steady])
    failed = sum(status == 1 for status, _ in blocks)
    # Every block is committed alike, so the journal grows with the blocks and nothing else.
    per_block = rows[-1][4] / max(1, len(blocks)) / 1024
    leak = own[1] > 0 and own[0] * hours > 1024
    spread = {row[3] for row in steady}
    print(f"{rows[-1][0] / 60:.1f} min, {len(blocks)} blocks, {failed} failed, "
          f"{'valid' if check.returncode == 0 else 'NOT VALID'}, result {size / 2**20:.1f} MiB")
    print(f"controller: {steady[0][1] / 1024:.1f} MiB, slope {own[0]:+.0f} KiB/h "
          f"(95 %: {own[1]:+.0f} to {own[2]:+.0f}){': LEAK' if leak else ''}")
    print(f"largest worker: {max(row[2] for row in steady) / 1024:.1f} MiB")
    print(f"descriptors of the controller: {min(spread)} to {max(spread)}; at the end of the first "
          f"and of the last fifth at most {max(r[3] for r in steady[:len(steady) // 4])} and "
          f"{max(r[3] for r in steady[-len(steady) // 4:])}")
    print(f"journal: {growth[0] / 1024:.1f} MiB/h ({growth[1] / 1024:.1f} to "
          f"{growth[2] / 1024:.1f}), {per_block:.1f} KiB a block")
    for name, points in baselines.items():
        print(f"baseline of {name}: {drift(points):+.2f} % from the first fifth to the last")
    if asked.plot:
        plot(asked.plot, rows, baselines)
    more = max(r[3] for r in steady[-len(steady) // 4:]) > \
        max(r[3] for r in steady[:len(steady) // 4])
    if left or more or leak or check.returncode:
        print(f"left behind: {left}\n{errors}{check.stdout}{check.stderr}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
