#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the smallest useful result file from the text of results-schema/SCHEMA.md alone.

One victim, one aggressor, one cell, BLOCKS blocks of a baseline and a treatment that is SLOWDOWN
times as slow. Uses h5py and numpy with their defaults, as anybody would.

    write_minimal.py OUT.h5 [--raw] [--blocks 8] [--slowdown 1.5] [--seed 1]
"""
import argparse

import h5py
import numpy as np


def bucket(ps):
    """SCHEMA.md, section 2, "Buckets"."""
    ps = np.minimum(ps, 2**47 - 1)
    shift = np.maximum(0, np.floor(np.log2(np.maximum(ps, 1))).astype(np.int64) - 10)
    return 1024 * shift + (ps >> shift)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--raw", action="store_true", help="raw samples instead of histograms")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--slowdown", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)

    phases = {name: [] for name in ("cell", "block", "order", "role", "count")}
    first, rows, buckets, counts, raw = [], [], [], [], []
    for block in range(args.blocks):
        speed = rng.normal(1, 0.02)  # what the two sides of a block share
        for order, role in enumerate(rng.permutation([0, 1])):
            factor = args.slowdown * rng.normal(1, 0.005) if role == 1 else 1
            ns = 100 * speed * factor * rng.lognormal(0, 0.1, args.samples)
            ps = np.rint(ns * 1000).astype(np.int64)
            index, count = np.unique(bucket(ps), return_counts=True)
            for name, value in zip(phases, (0, block, order, role, len(ps))):
                phases[name].append(value)
            first.append(sum(map(len, raw if args.raw else buckets)))
            rows.append(len(ps) if args.raw else len(index))
            buckets.append(index)
            counts.append(count)
            raw.append(ps)

    with h5py.File(args.out, "w") as f:
        f.attrs.update(
            schema="cotenant.results/1",
            suite="minimal",
            created="2026-01-02T03:04:05Z",
            seed=args.seed,
            complete=True,
        )
        f["victims/name"], f["victims/kind"] = ["victim"], ["synthetic"]
        f["aggressors/name"], f["aggressors/kind"] = ["aggressor"], ["synthetic"]
        f["cells/config"], f["cells/intensity"] = ["local"], [100.0]
        f["cells/victim"], f["cells/aggressor"] = [0], [0]
        f["blocks/cell"] = np.zeros(args.blocks, int)
        f["blocks/block"] = np.arange(args.blocks)
        f["blocks/phase_first"] = 2 * np.arange(args.blocks)
        f["blocks/phase_rows"] = np.full(args.blocks, 2)
        for name, values in phases.items():
            f["phases/" + name] = values
        prefix = "phases/raw_" if args.raw else "phases/hist_"
        f[prefix + "first"], f[prefix + "rows"] = first, rows
        if args.raw:
            f["raw/latency_ps"] = np.concatenate(raw)
        else:
            f["histogram/bucket"] = np.concatenate(buckets)
            f["histogram/count"] = np.concatenate(counts)


if __name__ == "__main__":
    main()
