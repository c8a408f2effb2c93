# SPDX-License-Identifier: Apache-2.0
"""Percentiles of a histogram against those of the samples themselves: ours, and fio's.

Both tools keep a histogram and can keep every sample as well. What each prints of a run is set
beside the sample of that rank in the same run: the largest difference over p50, p90, p99 and p99.9.
"""
import json
import tempfile
from pathlib import Path

import h5py
import numpy

from common import CanNotMeasure, row, text_of

PART = "error of percentiles, ours and fio's, against every sample of the same run"
PERCENTILES = (0.5, 0.9, 0.99, 0.999)
BASELINE = 0
SUITE = """[suite]
name = percentiles
replicates = 2
warmup = 10ms
measure = 200ms
recovery = 10ms
epoch = 200ms
[tenant victim]
cpus = pu:{victim}
[tenant neighbour]
cpus = pu:{noise}
[victim syscall]
call = read
rate = 1MHz
raw = 1000000
[aggressor null]
"""


def largest_error(found, samples):
    """In per cent. `found` is (rank, value) of each percentile; rank 1 is the smallest sample."""
    samples = numpy.sort(samples)
    return 100 * max(abs(value / samples[rank - 1] - 1) for rank, value in found)


def ours(bench, folder):
    suite, result = folder / "percentiles.ini", folder / "percentiles.h5"
    suite.write_text(SUITE.format(victim=bench.victim_cpu, noise=bench.noise_cpu))
    result.unlink(missing_ok=True)
    bench.run([bench.cotenant, "run", suite, "-o", result, "-q"])
    with h5py.File(result) as file:
        phases = {name: file[f"phases/{name}"][:]
                  for name in ("role", "raw_first", "raw_rows", "raw_dropped")}
        if phases["raw_dropped"].any():
            raise CanNotMeasure("not every sample was kept")
        raw = file["raw/latency_ps"]
        samples = numpy.concatenate([raw[first:first + rows] for role, first, rows in
                                     zip(phases["role"], phases["raw_first"], phases["raw_rows"])
                                     if role == BASELINE])
    table = bench.run([bench.cotenant, "export", result, "--format", "hgrm", "--victim", "syscall",
                       "--aggressor", "null", "--role", "baseline"])
    lines = [line.split() for line in table.splitlines() if line[:1] == " "]
    lines = [(float(value), float(share), int(rank)) for value, share, rank, _ in
             (line for line in lines if len(line) == 4 and line[0] != "Value")]
    found = [next((rank, value * 1000) for value, share, rank in lines if share >= wanted)
             for wanted in PERCENTILES]
    return largest_error(found, samples)


def fio_command(bench, folder):
    return ["fio", "--name=read", "--ioengine=psync", "--rw=randread", "--bs=4k", "--size=16M",
            "--time_based", "--runtime=1", f"--cpus_allowed={bench.victim_cpu}",
            f"--filename={folder}/data", f"--write_lat_log={folder}/fio", "--output-format=json",
            f"--percentile_list={':'.join(f'{100 * p:g}' for p in PERCENTILES)}"]


def fio(bench, folder):
    for log in folder.glob("fio_*.log"):
        log.unlink()
    job = bench.run_json(fio_command(bench, folder))["jobs"][0]
    printed = job["read"]["clat_ns"]["percentile"]
    samples = numpy.loadtxt(next(folder.glob("fio_clat*.log")), delimiter=",", usecols=1)
    # fio takes the first sample beyond the share.
    found = [(int(numpy.ceil(share * len(samples))), printed[f"{100 * share:.6f}"])
             for share in PERCENTILES]
    return largest_error(found, samples)


def measure(bench):
    bench.need("fio")
    with tempfile.TemporaryDirectory(prefix="cotenant-percentiles-") as name:
        folder = Path(name)
        rounds = [(ours(bench, folder), fio(bench, folder)) for _ in range(bench.rounds)]
        return [row("largest error of p50, p90, p99, p99.9", "%", [a for a, _ in rounds],
                    [b for _, b in rounds], target=(None, 1), peer_name="fio",
                    commands=[text_of(fio_command(bench, folder))])]
