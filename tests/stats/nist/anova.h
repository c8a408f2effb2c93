/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NIST StRD, one-way analysis of variance: data and certified values of
 * https://www.itl.nist.gov/div898/strd/anova/anova.html (public domain, U.S. Government).
 *
 * SmLs01 to SmLs09 follow a rule of Simon & Lesage (1989): nine treatments, in each the centre once
 * and then centre - 0.1 and centre + 0.1 in turn, on an offset of 1, 10^6 or 10^12. They are built
 * here from decimal digits, so every value is the double nearest to the printed one.
 *
 * `exact` is the F of those doubles in rational arithmetic: on the higher sets rounding the data to
 * double has already cost all but about four of the certified digits, whatever is computed from
 * them.
 */
#ifndef COTENANT_TESTS_NIST_ANOVA_H
#define COTENANT_TESTS_NIST_ANOVA_H

#include <stddef.h>

struct nist_anova {
	const char *name;
	double offset; /* of the generated sets; 0: data below */
	size_t treatments, replicates;
	double between_ms, within_ms, f, r_squared, residual_sd;
	double exact; /* F of the data as doubles */
	int digits;   /* certified digits that are left in the doubles, at least */
};

static const struct nist_anova nist_anova[] = {
	{"SiRstv", 0, 5, 5, 1.27865654000000E-02, 1.08318280000000E-02, 1.18046237440255E+00,
	 1.90999039051129E-01, 1.04076068334656E-01, 1.1804623744024467, 12},
	{"SmLs01", 1, 9, 21, 2.1E-01, 1E-02, 2.1E+01, 4.82758620689655E-01, 1E-01, 21, 12},
	{"SmLs02", 1, 9, 201, 2.01E+00, 1E-02, 2.01E+02, 4.71830985915493E-01, 1E-01,
	 201.00000000000003, 12},
	{"SmLs03", 1, 9, 2001, 2.001E+01, 1E-02, 2.001E+03, 4.70712773465067E-01, 1E-01,
	 2001.0000000000002, 12},
	{"AtmWtAg", 0, 2, 24, 3.63834187500000E-09, 2.28155932971014E-10, 1.59467335677930E+01,
	 2.57426544538321E-01, 1.51048314446410E-05, 15.946733566676926, 9},
	{"SmLs04", 1e6, 9, 21, 2.1E-01, 1E-02, 2.1E+01, 4.82758620689655E-01, 1E-01,
	 21.0000000007761, 10},
	{"SmLs05", 1e6, 9, 201, 2.01E+00, 1E-02, 2.01E+02, 4.71830985915493E-01, 1E-01,
	 201.00000001241764, 9},
	{"SmLs06", 1e6, 9, 2001, 2.001E+01, 1E-02, 2.001E+03, 4.70712773465067E-01, 1E-01,
	 2001.0000001288329, 9},
	{"SmLs07", 1e12, 9, 21, 2.1E-01, 1E-02, 2.1E+01, 4.82758620689655E-01, 1E-01,
	 21.00081188781877, 3},
	{"SmLs08", 1e12, 9, 201, 2.01E+00, 1E-02, 2.01E+02, 4.71830985915493E-01, 1E-01,
	 201.01300409594845, 3},
	{"SmLs09", 1e12, 9, 2001, 2.001E+01, 1E-02, 2.001E+03, 4.70712773465067E-01, 1E-01,
	 2001.1349262209505, 3},
};

/* Resistance of silicon wafers, five instruments. */
static const double nist_sirstv[25] = {
	196.3052, 196.1240, 196.1890, 196.2569, 196.3403, 196.3042, 196.3825, 196.1669, 196.3257,
	196.0422, 196.1303, 196.2005, 196.2889, 196.0343, 196.1811, 196.2795, 196.1748, 196.1494,
	196.1485, 195.9885, 196.2119, 196.1051, 196.1850, 196.0052, 196.2090,
};

/* Atomic weight of silver, two instruments. */
static const double nist_atmwtag[48] = {
	107.8681568, 107.8681465, 107.8681572, 107.8681785, 107.8681446, 107.8681903, 107.8681526,
	107.8681494, 107.8681616, 107.8681587, 107.8681519, 107.8681486, 107.8681419, 107.8681569,
	107.8681508, 107.8681672, 107.8681385, 107.8681518, 107.8681662, 107.8681424, 107.8681360,
	107.8681333, 107.8681610, 107.8681477, 107.8681079, 107.8681344, 107.8681513, 107.8681197,
	107.8681604, 107.8681385, 107.8681642, 107.8681365, 107.8681151, 107.8681082, 107.8681517,
	107.8681448, 107.8681198, 107.8681482, 107.8681334, 107.8681609, 107.8681101, 107.8681512,
	107.8681469, 107.8681360, 107.8681254, 107.8681261, 107.8681450, 107.8681368,
};

#endif
