/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distribution functions and quantiles on libm only: normal, t, chi squared, F, gamma, beta,
 * binomial, noncentral F, Kolmogorov.
 *
 * Cumulative functions come in pairs: _cdf is P(X <= x), _sf is P(X > x), each computed in its own
 * tail so that neither is 1 minus a rounded 1. Relative accuracy is about 1e-13 for parameters up
 * to 1e6 and about 1e-11 at 1e9.
 *
 * NaN comes back for a NaN argument, a parameter outside its range or a probability outside 0..1;
 * a quantile at 0 or 1 is the end of the support.
 *
 * Sources: the density factor in Loader's saddle-point form (Loader 2000, Fast and Accurate
 * Computation of Binomial Probabilities); continued fractions and series of DLMF 8.17.22, 8.9.2 and
 * 8.11.4; quantiles by safeguarded Newton steps on the logarithm of the smaller tail.
 */
#ifndef COTENANT_STATS_DISTRIBUTIONS_H
#define COTENANT_STATS_DISTRIBUTIONS_H

#include <stdint.h>

double ct_normal_cdf(double z);
double ct_normal_quantile(double p);

/* Student's t; df > 0, real (Satterthwaite's degrees of freedom are not whole numbers). */
double ct_t_cdf(double t, double df);
double ct_t_sf(double t, double df);
double ct_t_quantile(double p, double df);

double ct_chi2_cdf(double x, double df);
double ct_chi2_sf(double x, double df);
double ct_chi2_quantile(double p, double df);

double ct_f_cdf(double x, double df1, double df2);
double ct_f_sf(double x, double df1, double df2);
double ct_f_quantile(double p, double df1, double df2);
/* F with noncentrality lambda >= 0, as a Poisson mixture of beta functions. */
double ct_f_noncentral_cdf(double x, double df1, double df2, double lambda);

/* The regularised incomplete gamma functions P and Q, scale 1. */
double ct_gamma_cdf(double x, double shape);
double ct_gamma_sf(double x, double shape);
double ct_gamma_quantile(double p, double shape);

/* The regularised incomplete beta function and its complement. */
double ct_beta_cdf(double x, double a, double b);
double ct_beta_sf(double x, double a, double b);
double ct_beta_quantile(double p, double a, double b);

/* P(Bin(n, p) <= k), P(Bin(n, p) > k), and the smallest k whose cdf reaches `probability`. */
double ct_binomial_cdf(uint64_t k, uint64_t n, double p);
double ct_binomial_sf(uint64_t k, uint64_t n, double p);
uint64_t ct_binomial_quantile(double probability, uint64_t n, double p);

/* Limit of P(sqrt(n) D > x) for the two-sided Kolmogorov-Smirnov statistic (Kolmogorov 1933). */
double ct_kolmogorov_sf(double x);

#endif
