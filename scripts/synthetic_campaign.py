#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes result files of campaigns with known truth, from results-schema/SCHEMA.md alone.

Samples of a phase are an AR(1) series pushed through a lognormal or Pareto distribution, times the
effects of their block, phase and epoch, a drift over the campaign and, in treatments, the
neighbour. Needs h5py and numpy, nothing else.

    synthetic_campaign.py OUT.h5 --blocks 10 --effect 1.05 --rho 0.9 --seed 1 --truth TRUTH.json
"""
import argparse
import json
from dataclasses import dataclass
from statistics import NormalDist

import h5py
import numpy as np

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
BASELINE, TREATMENT = 0, 1
ORDERS = ((0, 1, 1, 0), (1, 0, 0, 1))  # ABBA and BAAB
PHASE_NS = 100_000_000


@dataclass
class Truth:
    """What a campaign is made of. Effects and deviations are of log latency."""
    seed: int = 1
    blocks: int = 10
    aggressors: int = 1
    victims: int = 1           # the k-th is k times as slow as the first
    configs: int = 1
    graded: bool = False       # effects from none to `effect` over the cells, not one for all
    samples: int = 2000        # of a phase
    epochs: int = 10           # of a phase
    distribution: str = "lognormal"
    median_ns: float = 1000.0
    sigma: float = 0.1         # of the lognormal
    alpha: float = 2.5         # of the Pareto
    rho: float = 0.0           # of one sample to the next
    effect: float = 1.0        # of the aggressor, on the whole distribution
    tail_effect: float = 1.0   # of the aggressor, on what lies above the 90th percentile
    scale: float = 1.0         # of everything: an upgrade that makes all slower
    block_sd: float = 0.01
    phase_sd: float = 0.0
    epoch_sd: float = 0.0
    drift: float = 0.0         # over the whole campaign
    raw: bool = False

    def marginal(self, z):
        """Latency in ns of standard normal values."""
        if self.distribution == "lognormal":
            return self.median_ns * np.exp(self.sigma * z)
        # The upper tail of the normal, by its complement, keeps the digits that matter.
        return self.median_ns * (2 * normal_sf(z)) ** (-1 / self.alpha)

    def quantile(self, q, role=BASELINE):
        """True quantile of a phase without random effects."""
        value = float(self.marginal(np.array([NormalDist().inv_cdf(q)]))[0]) * self.scale
        if role == TREATMENT:
            value *= self.effect * (self.tail_effect if q > 0.9 else 1)
        return value

    @property
    def cells(self):
        """(config, victim, aggressor) of each cell."""
        return [(c, v, a) for c in range(self.configs) for v in range(self.victims)
                for a in range(self.aggressors)]

    def cell_effect(self, cell):
        config, victim, aggressor = self.cells[cell]
        if not self.graded:
            return self.effect
        return self.effect ** ((config + victim + aggressor) % 8 / 7)

    def as_json(self):
        slowdown = {str(q): self.quantile(q, TREATMENT) / self.quantile(q) for q in QUANTILES}
        state = np.log(self.effect)
        return {"baseline_ns": {str(q): self.quantile(q) for q in QUANTILES},
                "treatment_ns": {str(q): self.quantile(q, TREATMENT) for q in QUANTILES},
                "slowdown": slowdown,
                "components": {"within_epoch": self.sigma**2 if self.distribution == "lognormal"
                               else 1 / self.alpha**2,
                               "between_epoch": self.epoch_sd**2,
                               "between_phase": self.phase_sd**2,
                               "between_block": self.block_sd**2},
                "state_effect": float(state)}


def normal_sf(z):
    """P(Z > z), by the rational approximation of W. J. Cody's erfc as numpy has none (Abramowitz
    & Stegun 7.1.26 is good to 1.5e-7, too little for a tail; this is Numerical Recipes' erfccheb
    form, good to 1.2e-7 relative)."""
    x = np.abs(z) / np.sqrt(2)
    t = 1 / (1 + 0.5 * x)
    series = np.zeros_like(t)
    for c in (0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806,
              0.09678418, 0.37409196, 1.00002368, -1.26551223):
        series = series * t + c
    tail = 0.5 * t * np.exp(-x * x + series)
    return np.where(z >= 0, tail, 1 - tail)


def ar1(rng, rho, columns, n):
    """n steps of stationary AR(1) series with unit variance, a column each; shape (columns, n)."""
    noise = rng.standard_normal((n, columns))
    if rho == 0:
        return noise.T
    noise[1:] *= np.sqrt(1 - rho * rho)
    for i in range(1, n):
        noise[i] += rho * noise[i - 1]
    return noise.T


def bucket(ps):
    """SCHEMA.md, section 2, "Buckets"."""
    ps = np.minimum(ps, 2**47 - 1)
    shift = np.maximum(0, np.floor(np.log2(np.maximum(ps, 1))).astype(np.int64) - 10)
    return 1024 * shift + (ps >> shift)


def phases_of(truth, rng):
    """Per visit: cell, block, and the latencies of its four phases in ps, shape (4, samples)."""
    visits = [(cell, block) for block in range(truth.blocks)
              for cell in rng.permutation(len(truth.cells))]
    z = ar1(rng, truth.rho, 4 * len(visits), truth.samples)
    for i, (cell, block) in enumerate(visits):
        roles = np.array(ORDERS[rng.integers(2)])
        log_effect = rng.normal(0, truth.block_sd) + np.log(truth.scale)
        log_effect += truth.drift * (4 * i + np.arange(4)) / (4 * len(visits))
        log_effect = log_effect + rng.normal(0, truth.phase_sd, 4)
        epochs = rng.normal(0, truth.epoch_sd, (4, truth.epochs))
        values = z[4 * i:4 * i + 4]
        ns = truth.marginal(values)
        ns *= np.exp(log_effect[:, None] + np.repeat(epochs, truth.samples // truth.epochs, 1))
        hit = roles == TREATMENT
        ns[hit] *= truth.cell_effect(cell)
        ns *= 1 + truth.cells[cell][1]
        if truth.tail_effect != 1:
            beyond = values[hit] > NormalDist().inv_cdf(0.9)
            ns[hit] = np.where(beyond, ns[hit] * truth.tail_effect, ns[hit])
        yield int(cell), block, roles, np.rint(ns * 1000).astype(np.int64)


def epoch_rows(truth, ps, start):
    """Rows of /epochs of one phase."""
    parts = np.sort(ps.reshape(truth.epochs, -1) / 1000, axis=1)
    n = parts.shape[1]
    edges = start + np.arange(truth.epochs + 1) * (PHASE_NS // truth.epochs)
    return {"start_ns": edges[:-1], "end_ns": edges[1:], "count": np.full(truth.epochs, n),
            "min_ns": parts[:, 0], "mean_ns": parts.mean(axis=1), "max_ns": parts[:, -1],
            "p50_ns": parts[:, int(np.ceil(0.5 * n)) - 1],
            "p99_ns": parts[:, int(np.ceil(0.99 * n)) - 1],
            "counted": np.ones(truth.epochs, int)}


def build(truth):
    """All tables as {path: list of arrays}."""
    rng = np.random.default_rng(truth.seed)
    tables = {}
    size = {"histogram": 0, "raw": 0, "epochs": 0}

    def add(table, **columns):
        for name, values in columns.items():
            tables.setdefault(f"{table}/{name}", []).append(np.atleast_1d(values))

    phase = 0
    for visit, (cell, block, roles, latencies) in enumerate(phases_of(truth, rng)):
        add("blocks", cell=cell, block=block, visit=visit, phase_first=phase, phase_rows=4)
        for order, (role, ps) in enumerate(zip(roles, latencies)):
            start = (phase + 1) * 2 * PHASE_NS
            store = "raw" if truth.raw else "histogram"
            if truth.raw:
                rows = len(ps)
                add("raw", latency_ps=ps)
            else:
                index, count = np.unique(bucket(ps), return_counts=True)
                rows = len(index)
                add("histogram", bucket=index, count=count)
            prefix = "raw" if truth.raw else "hist"
            add("phases", cell=cell, block=block, order=order, role=role, count=len(ps),
                start_ns=start, end_ns=start + PHASE_NS, min_ns=ps.min() / 1000,
                mean_ns=ps.mean() / 1000, max_ns=ps.max() / 1000, epoch_first=size["epochs"],
                epoch_rows=truth.epochs,
                **{f"{prefix}_first": size[store], f"{prefix}_rows": rows})
            add("epochs", **epoch_rows(truth, ps, start))
            size[store] += rows
            size["epochs"] += truth.epochs
            phase += 1
    return tables


def write(path, truth):
    """Writes the campaign; `truth` decides it, seed included."""
    if truth.samples % truth.epochs:
        raise ValueError("samples must be a multiple of epochs")
    with h5py.File(path, "w") as f:
        f.attrs.update(schema="cotenant.results/1", suite="synthetic", seed=truth.seed,
                       created="2026-01-02T03:04:05Z", complete=True, measure_ns=PHASE_NS,
                       epoch_ns=PHASE_NS // truth.epochs)
        for table, name, n in (("victims", "victim", truth.victims),
                               ("aggressors", "aggressor", truth.aggressors)):
            f[f"{table}/name"] = [name if n == 1 and name == "victim" else f"{name}{i}"
                                  for i in range(n)]
            f[f"{table}/kind"] = ["synthetic"] * n
        config, victim, aggressor = zip(*truth.cells)
        f["cells/config"] = ["local" if c == 0 else f"config{c}" for c in config]
        f["cells/victim"], f["cells/aggressor"] = victim, aggressor
        f["cells/intensity"] = np.full(len(truth.cells), 100.0)
        for name, parts in build(truth).items():
            f[name] = np.concatenate(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--truth", help="write the truth to this file, as JSON")
    for name, field in Truth.__dataclass_fields__.items():
        option = "--" + name.replace("_", "-")
        if field.type in (bool, "bool"):
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=type(field.default), default=field.default)
    arguments = vars(parser.parse_args())
    out, where = arguments.pop("out"), arguments.pop("truth")
    truth = Truth(**arguments)
    write(out, truth)
    if where:
        with open(where, "w", encoding="utf-8") as f:
            json.dump(truth.as_json(), f, indent=1)


if __name__ == "__main__":
    main()
