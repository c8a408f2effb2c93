#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference values for harness/stats from numpy and scipy.

Each line is `function expected argument ...`; an argument is a number or `[ n x1 ... xn`.
tests/unit/test_stats_reference.c evaluates our function of that name and compares.

  reference.py            prints the lines
  reference.py --header   prints them as the C header tests/stats/reference.h
"""
import sys
import warnings

import numpy as np
from scipy import optimize, special, stats
from scipy.stats import mstats


def text(x):
    if isinstance(x, (list, tuple, np.ndarray)):
        return "[ " + " ".join([str(len(x))] + [text(v) for v in x])
    return repr(float(x))


LINES = []


def line(name, expected, *arguments):
    if np.isnan(expected):
        raise ValueError(f"no reference for {name} {arguments}")
    LINES.append(" ".join([name, text(expected)] + [text(a) for a in arguments]))


def t_quantile(p, df):
    """By the beta distribution: scipy 1.10's own t.ppf is wrong in the tenth digit at df = 1."""
    tail = min(p, 1 - p)
    if tail < 0.1:
        x = stats.beta.ppf(2 * tail, df / 2, 0.5)
        t = np.sqrt(df * (1 - x) / x)
    else:
        y = stats.beta.ppf(1 - 2 * tail, 0.5, df / 2)
        t = np.sqrt(df * y / (1 - y))
    return -t if p < 0.5 else t


def distributions():
    for z in (-8.5, -3.0, -1.0, -0.01, 0.3, 1.96, 6.0):
        line("normal_cdf", stats.norm.cdf(z), z)
    for p in (1e-200, 1e-12, 0.001, 0.025, 0.4, 0.5000001, 0.8, 0.975, 0.999999):
        line("normal_quantile", stats.norm.ppf(p), p)
    for df in (1, 2.5, 7, 30, 4000):
        for t in (-9.0, -2.0, -0.1, 0.7, 3.0):
            line("t_cdf", special.stdtr(df, t), t, df)
        for p in (1e-6, 0.01, 0.3, 0.51, 0.95, 0.975, 0.9995):
            line("t_quantile", t_quantile(p, df), p, df)
    for df in (0.5, 1, 4, 19.5, 800):
        for x in (0.01 * df, 0.5 * df, df, 1.5 * df, 3 * df):
            line("chi2_cdf", stats.chi2.cdf(x, df), x, df)
            line("chi2_sf", stats.chi2.sf(x, df), x, df)
            line("gamma_cdf", special.gammainc(df, x), x, df)
            line("gamma_sf", special.gammaincc(df, x), x, df)
        for p in (1e-4, 0.025, 0.5, 0.975, 0.9999):
            line("chi2_quantile", stats.chi2.ppf(p, df), p, df)
            line("gamma_quantile", special.gammaincinv(df, p), p, df)
    for d1, d2 in ((1, 1), (1, 20), (4.5, 9), (8, 180), (300, 17)):
        for x in (0.01, 0.5, 1.0, 1.7, 6.0):
            line("f_cdf", special.fdtr(d1, d2, x), x, d1, d2)
            line("f_sf", special.fdtrc(d1, d2, x), x, d1, d2)
            for lam in (0.5, 5.0, 60.0):
                line("f_noncentral_cdf", stats.ncf.cdf(x, d1, d2, lam), x, d1, d2, lam)
        for p in (0.001, 0.1, 0.5, 0.95, 0.999):
            line("f_quantile", stats.f.ppf(p, d1, d2), p, d1, d2)
    for a, b in ((0.5, 0.5), (1, 3), (2.5, 0.7), (40, 3), (300, 700), (9990, 11)):
        mean = a / (a + b)
        for x in (0.1 * mean, 0.8 * mean, mean, mean + 0.3 * (1 - mean)):
            line("beta_cdf", special.betainc(a, b, x), x, a, b)
            # The upper tail is that of the mirrored variable: 1 - x is exact enough here.
            line("beta_sf", special.betainc(b, a, 1 - x), x, a, b)
        for p in (1e-5, 0.025, 0.2, 0.5, 0.9, 0.975, 0.99999):
            line("beta_quantile", stats.beta.ppf(p, a, b), p, a, b)
    for n, p in ((1, 0.5), (10, 0.3), (59, 0.95), (2995, 0.999), (100000, 0.01)):
        for k in {0, int(0.5 * n * p), int(n * p), min(n - 1, int(1.1 * n * p) + 1)}:
            line("binomial_cdf", stats.binom.cdf(k, n, p), k, n, p)
            line("binomial_sf", stats.binom.sf(k, n, p), k, n, p)
        for q in (0.025, 0.31, 0.5, 0.975):
            line("binomial_quantile", stats.binom.ppf(q, n, p), q, n, p)
    for x in (0.2, 0.5, 0.9, 1.0, 1.3, 2.5):
        line("kolmogorov_sf", special.kolmogorov(x), x)


def samples(rng):
    for n in (1, 2, 7, 40, 333):
        x = np.sort(np.round(rng.lognormal(3, 0.7, n), 2))
        for p in (0, 0.1, 0.5, 0.9, 0.99, 1):
            line("quantile_type1", np.quantile(x, p, method="inverted_cdf"), p, x)
            line("quantile_type7", np.quantile(x, p), p, x)
            if n > 1 and 0 < p < 1:
                line("harrell_davis", float(mstats.hdquantiles(x, [p])[0]), p, x)
    for n, m, digits in ((5, 7, 9), (8, 60, 9), (12, 15, 9), (20, 31, 0), (150, 90, 1)):
        a = np.round(rng.lognormal(2, 0.5, n), digits)
        b = np.round(rng.lognormal(2.3, 0.6, m), digits)
        ties = len(set(a) | set(b)) < n + m
        method = "asymptotic" if ties or min(n, m) > 8 else "exact"
        # Our U counts pairs in which the second sample is larger.
        u = stats.mannwhitneyu(b, a, method=method)
        line("mann_whitney_u", u.statistic, a, b)
        line("mann_whitney_p", u.pvalue, a, b)
        line("mann_whitney_a12", u.statistic / n / m, a, b)
        line("ks_d", stats.ks_2samp(a, b).statistic, a, b)
        line("ks_p", stats.ks_2samp(a, b, mode="exact").pvalue, a, b)
        line("wasserstein", stats.wasserstein_distance(a, b), a, b)
    for n in (1, 2, 9, 30):
        p = rng.uniform(size=n) ** 3
        p[n // 2] = p[0]
        order = np.argsort(p)
        adjusted = np.minimum.accumulate((p[order] * n / np.arange(1, n + 1))[::-1])[::-1]
        for place in range(0, n, 4):
            line("benjamini_hochberg", adjusted[list(order).index(place)], place, p)


def paired(rng):
    for n in (2, 3, 10, 40):
        base = rng.lognormal(5, 0.2, n)
        treat = base * rng.lognormal(0.04, 0.03, n)
        logs = np.log(treat / base)
        half = stats.t.ppf(0.975, n - 1) * stats.sem(logs)
        line("paired_value", np.exp(logs.mean()), base, treat)
        line("paired_lo", np.exp(logs.mean() - half), base, treat)
        line("paired_hi", np.exp(logs.mean() + half), base, treat)
        line("paired_p", stats.ttest_1samp(logs, 0).pvalue, base, treat)
        for margin in (0.01, 0.03, 0.2):
            bound = np.log1p(margin)
            low = stats.ttest_1samp(logs, -bound, alternative="greater").pvalue
            high = stats.ttest_1samp(logs, bound, alternative="less").pvalue
            line("tost_p", max(low, high), margin, base, treat)
            worse = stats.ttest_1samp(logs, bound, alternative="greater").pvalue
            line("tost_p_worse", worse, margin, base, treat)


def planning():
    for n in (2, 3, 8, 30):
        for ratio in (1.01, 1.05, 1.2):
            for sd in (0.02, 0.1):
                shift = np.log(ratio) * np.sqrt(n) / sd
                t = stats.t.ppf(0.975, n - 1)
                power = stats.nct.sf(t, n - 1, shift) + stats.nct.cdf(-t, n - 1, shift)
                if np.isfinite(power) and shift < 30:
                    line("power_difference", power, n, sd, ratio, 0.05)
    for n, p in ((59, 0.95), (100, 0.95), (3000, 0.999), (5000, 0.999), (29956, 0.9999)):
        rank = int(stats.binom.ppf(0.95, n, p)) + 1
        line("tolerance_rank", rank, n, p, 0.95)
        line("tolerance_achieved", stats.binom.cdf(rank - 1, n, p), n, p, 0.95)


def variance(rng):
    for sizes in ((3, 4), (5, 5, 5), (2, 9, 30, 4)):
        groups = [rng.normal(10 + i, 2, n) for i, n in enumerate(sizes)]
        y = np.concatenate(groups)
        f = stats.f_oneway(*groups)
        line("anova_f", f.statistic, list(sizes), y)
        line("anova_p", f.pvalue, list(sizes), y)


def restricted_deviance(logs, block, phase, state, y, error):
    """-2 log restricted likelihood from whole matrices: nothing shared with our recursions."""
    epoch, phase_variance, block_variance = np.exp(logs)
    same = lambda g: (g[:, None] == g[None, :]).astype(float)
    v = np.diag(epoch + error) + phase_variance * same(phase) + block_variance * same(block)
    x = np.eye(state.max() + 1)[state]
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    beta = np.linalg.solve(information, x.T @ inverse @ y)
    r = y - x @ beta
    return np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1] + r @ inverse @ r


def nested(rng):
    for blocks, unequal in ((5, False), (6, True)):
        rows = []
        phase_number = 0
        for b in range(blocks):
            of_block = rng.normal(0, 0.5)
            for s in (0, 1, 1, 0):
                of_phase = rng.normal(0, 0.3)
                epochs = 3 + (int(rng.integers(0, 4)) if unequal else 0)
                for _ in range(epochs):
                    y = 4 + 0.4 * s + of_block + of_phase + rng.normal(0, 0.2)
                    rows.append((b, phase_number, s, round(y, 4)))
                phase_number += 1
        table = np.array(rows)
        block, phase, state = (table[:, i].astype(int) for i in range(3))
        y, error = table[:, 3], np.full(len(table), 0.01 / 50)
        best = min(
            (optimize.minimize(restricted_deviance, start, method="Nelder-Mead",
                               args=(block, phase, state, y - y.mean(), error),
                               options={"xatol": 1e-11, "fatol": 1e-13, "maxiter": 4000})
             for start in ([-3, -3, -2], [-3.5, -2, -1])), key=lambda r: r.fun)
        for name, value in zip(("epoch", "phase", "block"), np.exp(best.x)):
            line("nested_" + name, value, block, phase, state, y)


def tail(rng):
    for shape, n in ((0.3, 200), (-0.2, 400), (0.9, 1000)):
        x = np.round(stats.genpareto.rvs(shape, scale=3, size=n, random_state=rng), 6)
        x = np.sort(x[x > 0])

        def likelihood(q):
            return -stats.genpareto.logpdf(x, q[0], scale=np.exp(q[1])).sum()

        best = optimize.minimize(likelihood, [shape, 1.0], method="Nelder-Mead",
                                 options={"xatol": 1e-10, "fatol": 1e-11, "maxiter": 4000})
        line("tail_shape", best.x[0], x)
        line("tail_scale", np.exp(best.x[1]), x)
        line("tail_log_likelihood", -best.fun, x)


def series(rng):
    x = np.zeros(200)
    for i in range(1, 200):
        x[i] = 0.7 * x[i - 1] + rng.normal()
    x = np.round(x, 6)
    d = x - x.mean()
    for lag in (0, 1, 2, 17):
        line("autocorrelation", (d[: 200 - lag] * d[lag:]).sum() / (d * d).sum(), lag, x)


def least_squares(rng):
    n, m = 30, 5
    a = np.round(rng.normal(size=(n, m)), 6)
    b = np.round(a @ np.arange(1, m + 1) + rng.normal(size=n), 6)
    x, squares, _, _ = np.linalg.lstsq(a, b, rcond=None)
    for k in range(m):
        line("least_squares", x[k], k, a.T.ravel(), b)
    line("least_squares_residual", squares[0], 0, a.T.ravel(), b)


def square(begin, end, frequency, start):
    """Mean over each epoch of a square wave of duty 1/2 from 0 to 1."""
    def on(t):
        cycles = (t - start) * frequency
        return (np.floor(cycles) / 2 + np.minimum(cycles % 1, 0.5)) / frequency
    return (on(end) - on(begin)) / (end - begin)


def lockin_segment(begin, end, y, from_s, length, loads, degree):
    """In-phase coefficients after two rounds of Huber's clipping, and the residual variance."""
    t = 2 * ((begin + end) / 2 - from_s) / length - 1
    columns = [np.polynomial.legendre.legvander(t, degree)]
    for frequency, start in loads:
        for turn in (0, 0.25 / frequency):
            columns.append(square(begin, end, frequency, start + turn)[:, None])
    a = np.hstack(columns)
    for round_ in range(3):
        x = np.linalg.lstsq(a, y, rcond=None)[0]
        r = y - a @ x
        if round_ < 2:
            limit = 2.5 * 1.4826 * np.sort(np.abs(r))[len(r) // 2]
            y = a @ x + np.clip(r, -limit, limit)
    return x[degree + 1::2], (r * r).sum() / (len(y) - a.shape[1])


def lockin(rng):
    epoch, loads, n = 0.05, ((2.7, 0.013), (3.9, 0.21)), 400
    begin, end = epoch * np.arange(n), epoch * np.arange(1, n + 1)
    y = 0.02 * rng.normal(size=n) + 0.01 * begin + 0.05 * square(begin, end, *loads[0])
    y[::37] += 0.3
    y = np.round(y, 6)
    length = max(8 / loads[0][0], 2 / (loads[1][0] - loads[0][0]))
    degree = int(0.75 * length * loads[0][0])
    pieces = int(end[-1] / length)
    length = end[-1] / pieces
    found = []
    for i in range(pieces):
        middle = (begin + end) / 2
        inside = (middle >= i * length) & (middle < (i + 1) * length)
        found.append(lockin_segment(begin[inside], end[inside], y[inside], i * length, length,
                                    loads, degree))
    variance = np.array([v for _, v in found])
    weights = 1 / np.maximum(variance, np.sort(variance)[pieces // 2] / 4)
    weights /= weights.sum()
    for k in range(2):
        shift = np.array([x[k] for x, _ in found])
        mean = (weights * shift).sum()
        error = np.sqrt((weights**2 * (shift - mean)**2).sum() * pieces / (pieces - 1))
        df = 1 / (weights**2).sum() - 1
        arguments = (k, epoch, *loads[0], *loads[1], y)
        line("lockin_shift", mean, *arguments)
        line("lockin_lo", mean - stats.t.ppf(0.975, df) * error, *arguments)


def sequential():
    """
    The t at which the Bayes factor reaches 1 / alpha. With the effect drawn from a normal of standard
    deviation c (of single values) the mean of n has 1 + n c^2 times its variance under the null, so
    t over the root of that is Student's again.
    """
    for n, confidence in ((5, 0.95), (8, 0.95), (12, 0.9), (30, 0.95), (60, 0.99)):
        root = np.sqrt(1 + n * 2.0**2)

        def excess(t, n=n, root=root, confidence=confidence):
            return (stats.t.pdf(t / root, n - 1) / root / stats.t.pdf(t, n - 1) -
                    1 / (1 - confidence))
        line("sequential_t", optimize.brentq(excess, 0.5, 50, xtol=1e-13), n, confidence)


def bootstrap(rng):
    x = np.round(rng.lognormal(1, 0.5, 25), 4)
    for method in ("percentile", "BCa"):
        result = stats.bootstrap((x,), np.mean, n_resamples=40000, method=method,
                                 random_state=1).confidence_interval
        line("bootstrap_" + method.lower() + "_lo", result.low, x)
        line("bootstrap_" + method.lower() + "_hi", result.high, x)


def main():
    # Boost divides by zero on its way to correct far tails; NaN results are refused in line().
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    rng = np.random.default_rng(20240229)
    distributions()
    for part in (samples, paired, variance, nested, tail, series, bootstrap,
                 least_squares, lockin):
        part(rng)
    planning()
    sequential()
    if sys.argv[1:] != ["--header"]:
        print("\n".join(LINES))
        return
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by `tests/stats/reference.py --header` with scipy; its head says the format. */")
    print("/* clang-format off */")
    print("static const char *const reference_lines[] = {")
    for row in LINES:
        words = row.split(" ")
        pieces = [" ".join(words[i:i + 12]) for i in range(0, len(words), 12)]
        print("\t\"" + " \"\n\t\t\"".join(pieces) + "\",")
    print("};")
    print("/* clang-format on */")


main()
