# SPDX-License-Identifier: Apache-2.0
"""Campaigns of aggressors alone and in pairs, with known truth of what two together do."""
import json
from dataclasses import dataclass
from itertools import combinations

import h5py
import numpy as np

from synthetic_campaign import Truth, write

# What two loads may be to each other; `turns` is the one that a slowdown alone can't tell.
WORLDS = ("larger", "half", "sum", "product", "queue", "turns")


def together(world, effects):
    """Slowdown under loads that have these slowdowns alone, in a world that knows one rule."""
    effects = np.asarray(effects)
    if world == "larger":
        return float(effects.max())
    if world == "sum":
        return float(1 + (effects - 1).sum())
    if world == "product":
        return float(effects.prod())
    if world == "half":  # saturates half-way: between the larger and the sum
        return float((effects.max() + 1 + (effects - 1).sum()) / 2)
    if world == "queue":
        return float(1 / (1 - min(0.95, (1 - 1 / effects).sum())))
    raise ValueError(world)


@dataclass
class Pairs(Truth):
    """`aggressors` alone, and every two of them as a mix. `effect` is the largest alone."""
    world: str = "sum"
    victims: int = 3
    aggressors: int = 6
    effect: float = 1.6
    phase_sd: float = 0.01
    turn: float = 0.35  # world `turns`: share of samples that an aggressor delays

    @property
    def mixtures(self):
        return [(a,) for a in range(self.aggressors)] + list(combinations(range(self.aggressors), 2))

    @property
    def cells(self):
        return [(0, v, m) for v in range(self.victims) for m in range(len(self.mixtures))]

    def alone(self, victim, aggressor):
        """Some disturb little and some much, each victim by another."""
        rng = np.random.default_rng([self.seed, victim, aggressor])
        return float(np.exp(rng.uniform(0.02, np.log(self.effect))))

    def cell_effect(self, cell):
        _, victim, mixture = self.cells[cell]
        effects = [self.alone(victim, a) for a in self.mixtures[mixture]]
        if self.world != "turns":
            return together(self.world, effects)
        factors = np.ones(self.samples)
        width = int(self.turn * self.samples)
        for i, effect in enumerate(effects):
            factors[i * width:(i + 1) * width] = effect
        return factors


def write_pairs(path, truth):
    """The whole campaign of `truth`, a Pairs."""
    write(path, truth)
    names = [f"aggressor{m[0]}" if len(m) == 1 else "-".join(f"aggressor{a}" for a in m)
             for m in truth.mixtures]
    params = ["{}" if len(m) == 1 else json.dumps({"of": [f"aggressor{a}" for a in m]})
              for m in truth.mixtures]
    with h5py.File(path, "a") as f:
        for column in ("name", "kind", "params"):
            if f"aggressors/{column}" in f:
                del f[f"aggressors/{column}"]
        f["aggressors/name"] = names
        f["aggressors/kind"] = ["synthetic" if len(m) == 1 else "mix" for m in truth.mixtures]
        f["aggressors/params"] = params
