# SPDX-License-Identifier: Apache-2.0
"""Distributions and epochs of a result file, for figures.py."""
import h5py
import numpy as np

BUCKETS = 38912
BASELINE, TREATMENT = 0, 1
ROLES, LOADS = ("baseline", "treatment", "recovery"), ("none", "held", "contended", "absent")
STATUSES = ("ok", "failed", "not_loaded")


class Bad(Exception):
    """Nothing can be drawn."""


class Skip(Exception):
    """One figure can't be drawn."""



def bucket_mid_ns(index):
    """SCHEMA.md, section 2, "Buckets"."""
    shift = np.maximum(0, index // 1024 - 1)
    return ((index - 1024 * shift) * 2.0**shift + (2.0**shift - 1) / 2) / 1000


def bucket_of(ps):
    ps = np.minimum(ps, 2**47 - 1).astype(np.int64)
    shift = np.maximum(0, np.frexp(ps.astype(float))[1] - 11)
    return 1024 * shift + (ps >> shift)


MID_NS = bucket_mid_ns(np.arange(BUCKETS))


def codes(dataset, names):
    """Values of an enumeration, by its names where it has them."""
    values = dataset[:].astype(int)
    for name, value in (h5py.check_enum_dtype(dataset.dtype) or {}).items():
        values[dataset[:] == value] = names.index(name)
    return values


class Samples:
    """Distributions and epochs of the cells of a result file."""

    def __init__(self, file):
        self.file, n = file, len(file["phases/cell"])
        self.role = codes(file["phases/role"], ROLES)
        self.load = (codes(file["phases/load"], LOADS) if "phases/load" in file
                     else np.where(self.role == TREATMENT, 1, 0))
        names = [f"{kind}_{end}" for kind in ("hist", "raw", "epoch") for end in ("first", "rows")]
        self.phase = {name: self.column(f"phases/{name}", n).astype(int)
                      for name in names + ["count", "order", "block"]}
        self.blocks = self.used_blocks()
        self.hist = {name: self.column(f"histogram/{name}", 0) for name in ("bucket", "count")}

    def column(self, path, n):
        return self.file[path][:] if path in self.file else np.zeros(n, int)

    def used_blocks(self):
        """{cell: rows of phases of each used block, by block number}."""
        n = len(self.file["blocks/cell"])
        status = codes(self.file["blocks/status"], STATUSES) if "blocks/status" in self.file \
            else np.zeros(n, int)
        cell, number, first, rows = (self.file[f"blocks/{name}"][:].astype(int) for name in
                                     ("cell", "block", "phase_first", "phase_rows"))
        used = {}
        for i in np.lexsort((number, cell)):
            phases = np.arange(first[i], first[i] + rows[i])
            seen = {self.role[p] for p in phases if self.phase["count"][p] > 0}
            absent = (self.role[phases] == TREATMENT) & (self.load[phases] == 3)
            if status[i] == 0 and {BASELINE, TREATMENT} <= seen and not absent.any():
                used.setdefault(int(cell[i]), []).append(
                    phases[np.argsort(self.phase["order"][phases], kind="stable")])
        return used

    def pool(self, cell, role):
        """Samples by bucket of all used blocks of a cell."""
        counts = np.zeros(BUCKETS)
        for p in (p for block in self.blocks.get(cell, ()) for p in block if self.role[p] == role):
            first, rows = self.phase["hist_first"][p], self.phase["hist_rows"][p]
            if rows:
                part = slice(first, first + rows)
                np.add.at(counts, self.hist["bucket"][part], self.hist["count"][part])
            elif self.phase["raw_rows"][p]:
                first, rows = self.phase["raw_first"][p], self.phase["raw_rows"][p]
                ps = self.file["raw/latency_ps"][first:first + rows]
                counts += np.bincount(bucket_of(ps), minlength=BUCKETS)
        return counts

    def epochs(self, phase):
        """Counted epochs of a phase by column, times in s since its first epoch; its length."""
        part = slice(self.phase["epoch_first"][phase],
                     self.phase["epoch_first"][phase] + self.phase["epoch_rows"][phase])
        if part.start == part.stop:
            return None, 0
        table = self.file["epochs"]
        start, end = (table[name][part].astype(np.int64) for name in ("start_ns", "end_ns"))
        counted = table["counted"][part].astype(bool)
        rows = {name: table[name][part][counted].astype(float)
                for name in ("p50_ns", "p99_ns", "mean_ns") if name in table}
        rows["time_s"] = (((start - start[0]) + (end - start[0])) / 2e9)[counted]
        return rows, (end[-1] - start[0]) / 1e9


def quantiles(counts, shares):
    """Latency in ns of the sample of rank ceil(q n), for all q."""
    below = np.cumsum(counts)
    ranks = np.maximum(1, np.ceil(np.asarray(shares) * below[-1] - 1e-6))
    return MID_NS[np.searchsorted(below, ranks)]
