# SPDX-License-Identifier: Apache-2.0
"""How much one thread of noise on another core slows `mem_latency` down, ours against stress-ng.

A figure is the victim's p50 under the setting of our aggressor that hurts most over its p50 under
the stress-ng stressor of the same class that hurts most; both over the same solo baseline, so the
baseline cancels. Which pattern hurts depends on the machine: that is why both sides have several.
"""
import statistics

from common import Background, in_turns, read, row, text_of

PART = "slowdown of mem_latency by one thread on another core, ours against the worst of stress-ng"
SECONDS = 1.5
SETTLE = 1.5
FALLBACK_LLC_MIB = 16


def llc_mib():
    """Size of the last-level cache of CPU 0, as the kernel tells it."""
    text = read("/sys/devices/system/cpu/cpu0/cache/index3/size", f"{FALLBACK_LLC_MIB * 1024}K")
    return max(1, int(text.rstrip("K")) // 1024)


def under(bench, victim, noise):
    """Median latency with this command in the background."""
    with Background(noise, SETTLE):
        return bench.median_ns(victim)


def compare(bench, aggressor, settings, stressors, working_set):
    victim = bench.bench_command("mem_latency", f"working_set={working_set}", seconds=SECONDS)
    ours = [f"{aggressor} {setting}".strip() for setting in settings]
    noises = {name: bench.noise_command(*name.split(), "threads=1", seconds=60) for name in ours}
    for stressor in stressors:
        noises[stressor] = ["taskset", "-c", bench.noise_cpu, "stress-ng", f"--{stressor}", 1,
                            "-t", 60]
    measures = {"alone": lambda: bench.median_ns(victim)}
    for name, command in noises.items():
        measures[name] = lambda command=command: under(bench, victim, command)
    values = in_turns(measures, bench.rounds)

    def median(name):
        return statistics.median(values[name])

    own, worst = max(ours, key=median), max(stressors, key=median)
    title = f"mem_latency of {working_set}"
    rows = [row(f"{title}: {own}", "ns", values[own], values[worst],
                target=(1.0, None), peer_name=f"stress-ng --{worst}",
                commands=[text_of(victim), text_of(noises[own]), text_of(noises[worst])],
                note="the worst of " + ", ".join(f"--{name}" for name in stressors))]
    for name in noises:
        label = name if name in ours else f"stress-ng --{name}"
        rows.append(row(f"{title} beside {label}", "ns", values[name], values["alone"],
                        peer_name="alone", commands=[text_of(noises[name])]))
    return rows


def measure(bench):
    bench.need("stress-ng", "taskset")
    # One working set that lives in memory, and one that the last-level cache holds when alone.
    return (compare(bench, "membw", ("op=write", "op=copy"), ("stream", "vm", "memthrash"),
                    "64M") +
            compare(bench, "llc", ("",), ("cache", "l1cache"), f"{max(1, llc_mib() // 4)}M"))
