# SPDX-License-Identifier: Apache-2.0
"""Bytes per second of one `membw` thread against stress-ng and a triad in plain C.

stress-ng's MB are 2^20 bytes. --stream prints what it read and what it wrote: both are added.
--memrate tries many ways to read and to write; the best of them is taken, by its median.
"""
import re
import statistics

from common import CanNotMeasure, in_turns, row, text_of

PART = "membw against stress-ng --stream, --memrate and a triad, bytes per second of one thread"
SECONDS = 2
OPS = ("read", "write", "copy", "triad")
# --stream prints no rate when its run was too short for the machine: then it gets twice the time.
STREAM_SECONDS, STREAM_LONGEST, MEMRATE_SECONDS = 5, 40, 3
METRIC = re.compile(r"\b(stream|memrate)\s+([\d.]+) (.+?) ?\(?MB per sec", re.M)


def stress_ng(bench, stressor, seconds):
    command = ["taskset", "-c", bench.noise_cpu, "stress-ng", f"--{stressor}", 1, "-t", seconds,
               "--metrics"]
    rates = {name.strip(" ("): float(value) * 2**20
             for _, value, name in METRIC.findall(bench.run(command))}
    if not rates and seconds < STREAM_LONGEST:
        return stress_ng(bench, stressor, 2 * seconds)
    if not rates:
        raise CanNotMeasure(f"'{text_of(command)}' printed no rate")
    return rates


def stream_rates(bench):
    rates = stress_ng(bench, "stream", STREAM_SECONDS)
    return {"stress-ng --stream": sum(rates.values())}


def memrate_rates(bench):
    return {f"stress-ng --memrate, {name}": rate
            for name, rate in stress_ng(bench, "memrate", MEMRATE_SECONDS).items()}


def best(rates):
    return max(rates, key=lambda name: statistics.median(rates[name]))


def compare(figure, ours, peers, commands, target=None):
    mine, other = best(ours), best(peers)
    return row(f"{figure}: {mine}", "B/s", ours[mine], peers[other], target=target,
               peer_name=other, commands=commands)


def collect(bench):
    """Rates by name: ours and the peers'."""
    triad = ["taskset", "-c", bench.noise_cpu, bench.build / "tests/bench/stream_triad", SECONDS]
    measures = {"stream": lambda: stream_rates(bench), "memrate": lambda: memrate_rates(bench),
                "triad": lambda: {"a triad in C": bench.run_json(triad)["bytes_per_s"]}}
    for op in OPS:
        command = bench.noise_command("membw", f"op={op}", seconds=SECONDS)
        measures[f"membw {op}"] = lambda op=op, command=command: {
            f"membw op={op}": bench.run_json(command)["rate"]}
    ours, peers = {}, {}
    for name, rounds in in_turns(measures, bench.rounds).items():
        into = ours if name.startswith("membw") else peers
        for label in rounds[0]:
            into[label] = [values[label] for values in rounds]
    return ours, peers


def measure(bench):
    bench.need("stress-ng", "taskset")
    ours, peers = collect(bench)
    commands = [text_of(bench.noise_command("membw", "op=OP", seconds=SECONDS)),
                f"taskset -c {bench.noise_cpu} stress-ng --stream 1 -t {STREAM_SECONDS} --metrics",
                f"taskset -c {bench.noise_cpu} stress-ng --memrate 1 -t {MEMRATE_SECONDS} "
                "--metrics",
                f"taskset -c {bench.noise_cpu} {bench.build}/tests/bench/stream_triad {SECONDS}"]

    def some(rates, *words):
        return {name: values for name, values in rates.items() if any(w in name for w in words)}

    return [compare("best of all", ours, peers, commands, target=(1.0, None)),
            compare("reading", some(ours, "read"), some(peers, ", read"), commands[:3:2]),
            compare("writing", some(ours, "write"), some(peers, ", write", "memset"),
                    commands[:3:2]),
            compare("copy and triad", some(ours, "copy", "triad"),
                    some(peers, "--stream", "triad"), commands[:2] + commands[3:])]
