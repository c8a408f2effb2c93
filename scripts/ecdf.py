#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the ECDFs of a result's first cell: ecdf.py OUT.h5 PICTURE.png (stock h5py, matplotlib)."""
import sys
import h5py, numpy as np, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

with h5py.File(sys.argv[1]) as f:
    p = {k: f["phases"][k][:] for k in ("cell", "role", "hist_first", "hist_rows")}
    ns, bucket, count = f["buckets/mid_ps"][:] / 1e3, f["histogram/bucket"][:], f["histogram/count"][:]
    for role, name in enumerate(("baseline", "treatment", "recovery")):
        n = np.zeros(len(ns))
        for i in np.flatnonzero((p["cell"] == 0) & (p["role"] == role)):
            rows = slice(p["hist_first"][i], p["hist_first"][i] + p["hist_rows"][i])
            n[bucket[rows]] += count[rows]
        if n.any():
            plt.step(ns[n > 0], np.cumsum(n[n > 0]) / n.sum(), where="post", label=name)
plt.xscale("log"), plt.xlabel("latency (ns)"), plt.ylabel("share of samples"), plt.legend()
plt.savefig(sys.argv[2])
