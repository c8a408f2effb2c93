/* SPDX-License-Identifier: Apache-2.0 */
/* Distribution functions and quantiles: two incomplete functions, everything else follows. */
#include "harness/stats/distributions.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

/* Enough for parameters of 1e9, where the expansions need a few times sqrt(parameter) terms. */
enum { MAX_TERMS = 2000000, MAX_NEWTON = 200 };

/* Both tails of a distribution at one point; the smaller is the one computed directly. */
struct tails {
	double lower, upper;
};

static const struct tails NO_TAILS = {NAN, NAN};

/* log Gamma(x) less Stirling's (x - 1/2) log x - x + log(2 pi)/2. */
static long double stirling_error(long double x)
{
	const long double half_log_2pi = 0.918938533204672741780329736405617640L;
	long double product = 1, shifted = x, inverse, square, series;

	while (shifted < 16) {
		product *= shifted;
		shifted += 1;
	}
	inverse = 1 / shifted;
	square = inverse * inverse;
	series =
		inverse *
		(1.0L / 12 -
		 square * (1.0L / 360 -
			   square * (1.0L / 1260 -
				     square * (1.0L / 1680 -
					       square * (1.0L / 1188 - square * (691.0L / 360360 -
										 square / 156))))));
	if (shifted == x)
		return series;
	return (shifted - 0.5L) * logl(shifted) - shifted + half_log_2pi + series - logl(product) -
	       ((x - 0.5L) * logl(x) - x + half_log_2pi);
}

/* Loader's deviance part: x log(x/m) + m - x, without cancellation near x = m. */
static long double deviance(long double x, long double m)
{
	long double difference = x - m;

	if (x == 0)
		return m;
	if (fabsl(difference) < 0.1L * (x + m)) {
		long double v = difference / (x + m);
		long double sum = difference * v, term = 2 * x * v;

		for (int k = 3; k < 200; k += 2) {
			long double next;

			term *= v * v;
			next = sum + term / k;
			if (next == sum)
				break;
			sum = next;
		}
		return sum;
	}
	return x * logl(x / m) + m - x;
}

/* x^a y^b / B(a, b) with y = 1 - x: the density times x y, which is the density of logit X. */
static double beta_factor(double a, double b, long double x, long double y)
{
	const long double two_pi = 6.283185307179586476925286766559L;
	long double n = (long double)a + b;
	long double exponent = stirling_error(n) - stirling_error(a) - stirling_error(b) -
			       deviance(a, n * x) - deviance(b, n * y);

	return (double)(expl(exponent) * sqrtl(a * (long double)b / (two_pi * n)));
}

/* x^a exp(-x) / Gamma(a): the density of log X for a gamma variable. */
static double gamma_factor(double a, double x)
{
	const long double two_pi = 6.283185307179586476925286766559L;

	return (double)(expl(-stirling_error(a) - deviance(a, x)) * sqrtl(a / two_pi));
}

static long double away_from_zero(long double x)
{
	return fabsl(x) < 1e-300L ? 1e-300L : x;
}

/*
 * The continued fraction of DLMF 8.17.22 by Lentz's method; converges for x < (a+1)/(a+b+2). Near
 * that edge 1 - (a+b) x / (a+1) cancels, which is why it runs in long double.
 */
static double beta_fraction(double a, double b, long double x)
{
	long double c = 1, d = 1 / away_from_zero(1 - ((long double)a + b) * x / (a + 1));
	long double result = d;

	for (int m = 1; m < MAX_TERMS; m++) {
		long double edge = (long double)a + 2 * m;
		long double even = m * ((long double)b - m) * x / ((edge - 1) * edge);
		long double odd =
			-((long double)a + m) * ((long double)a + b + m) * x / (edge * (edge + 1));
		long double change;

		d = 1 / away_from_zero(1 + even * d);
		c = away_from_zero(1 + even / c);
		result *= d * c;
		d = 1 / away_from_zero(1 + odd * d);
		c = away_from_zero(1 + odd / c);
		change = d * c;
		result *= change;
		if (fabsl(change - 1) < DBL_EPSILON / 4)
			break;
	}
	return (double)result;
}

/*
 * x and y = 1 - x are both given, so that a caller that knows the small one loses nothing. *factor
 * becomes beta_factor there.
 */
static struct tails beta_tails_and_factor(double a, double b, double x, double y, double *factor)
{
	long double exact_x, exact_y;
	double part;

	*factor = 0;
	if (!(a > 0 && b > 0) || isinf(a) || isinf(b) || isnan(x) || isnan(y))
		return NO_TAILS;
	if (x <= 0)
		return (struct tails){0, 1};
	if (y <= 0)
		return (struct tails){1, 0};
	/* The larger of the two is rounded where it matters: take it from the smaller. */
	exact_x = x < y ? (long double)x : 1 - (long double)y;
	exact_y = x < y ? 1 - (long double)x : (long double)y;
	*factor = part = beta_factor(a, b, exact_x, exact_y);
	if (exact_x < ((long double)a + 1) / ((long double)a + b + 2)) {
		part *= beta_fraction(a, b, exact_x) / a;
		return (struct tails){part, 1 - part};
	}
	part *= beta_fraction(b, a, exact_y) / b;
	return (struct tails){1 - part, part};
}

static struct tails beta_tails(double a, double b, double x, double y)
{
	double factor;

	return beta_tails_and_factor(a, b, x, y, &factor);
}

static double gamma_series(double a, double x)
{
	double term = 1 / a, sum = term;

	for (int k = 1; k < MAX_TERMS; k++) {
		term *= x / (a + k);
		sum += term;
		if (term < sum * 0.5 * DBL_EPSILON)
			break;
	}
	return sum;
}

static double gamma_fraction(double a, double x)
{
	long double b = (long double)x + 1 - a, c = 1e300L, d = 1 / away_from_zero(b), result = d;

	for (int k = 1; k < MAX_TERMS; k++) {
		long double numerator = -k * ((long double)k - a), change;

		b += 2;
		d = 1 / away_from_zero(numerator * d + b);
		c = away_from_zero(b + numerator / c);
		change = c * d;
		result *= change;
		if (fabsl(change - 1) < DBL_EPSILON / 4)
			break;
	}
	return (double)result;
}

/* *factor becomes gamma_factor at x. */
static struct tails gamma_tails_and_factor(double a, double x, double *factor)
{
	double part;

	*factor = 0;
	if (!(a > 0) || isinf(a) || isnan(x))
		return NO_TAILS;
	if (x <= 0)
		return (struct tails){0, 1};
	if (isinf(x))
		return (struct tails){1, 0};
	*factor = gamma_factor(a, x);
	if (x < a + 1) {
		part = *factor * gamma_series(a, x);
		return (struct tails){part, 1 - part};
	}
	part = *factor * gamma_fraction(a, x);
	return (struct tails){1 - part, part};
}

static struct tails gamma_tails(double a, double x)
{
	double factor;

	return gamma_tails_and_factor(a, x, &factor);
}

/*
 * One solver for both families. The variable u runs over the whole line (logit of a beta variable,
 * log of a gamma variable), where the logarithm of either tail is smooth and concave; the tail that
 * is at most one half carries the digits, so that is the one solved for.
 */
struct family {
	bool beta;
	double a, b;
};

static struct tails family_tails(const struct family *f, double u, double *density)
{
	if (f->beta) {
		double x = u < 0 ? exp(u) / (1 + exp(u)) : 1 / (1 + exp(-u));
		double y = u < 0 ? 1 / (1 + exp(u)) : exp(-u) / (1 + exp(-u));

		return beta_tails_and_factor(f->a, f->b, x, y, density);
	}
	return gamma_tails_and_factor(f->a, exp(u), density);
}

static double solve_quantile(const struct family *f, double lower, double upper)
{
	double lo = -745, hi = f->beta ? 745 : 709;
	double u = f->beta ? log(f->a) - log(f->b) : log(f->a);

	for (int i = 0; i < MAX_NEWTON; i++) {
		double density, next, tail, error;
		struct tails at = family_tails(f, u, &density);
		bool use_lower = lower <= upper;

		tail = use_lower ? at.lower : at.upper;
		error = log(tail) - log(use_lower ? lower : upper);
		if (!use_lower)
			error = -error;
		if (error > 0)
			hi = u;
		else
			lo = u;
		next = u - error * tail / density;
		/* First, because rounding may put the last step just outside of the bounds. */
		if (fabs(next - u) <= 1e-15 * fmax(1, fabs(u)) || hi - lo < 1e-15 * fabs(lo))
			return next;
		if (!(next > lo && next < hi))
			next = lo + (hi - lo) / 2;
		u = next;
	}
	return u;
}

static bool probability_ok(double p)
{
	return p >= 0 && p <= 1;
}

double ct_normal_cdf(double z)
{
	return 0.5 * erfc(-z * M_SQRT1_2);
}

double ct_normal_quantile(double p)
{
	double tail = p < 0.5 ? p : 1 - p, z, r;

	if (!probability_ok(p))
		return NAN;
	if (tail == 0)
		return p < 0.5 ? -INFINITY : INFINITY;
	/* The leading term of the tail expansion starts Newton's steps well enough. */
	r = sqrt(-2 * log(tail));
	z = r < 1.5 ? (0.5 - tail) * 2.5066282746310002 : r - log(r * 2.5066282746310002) / r;
	for (int i = 0; i < MAX_NEWTON; i++) {
		double at = 0.5 * erfc(z * M_SQRT1_2);
		double density = exp(-0.5 * z * z) * 0.3989422804014327;
		double step = (log(at) - log(tail)) * at / density;

		if (tail > 0.25) /* near the median the difference itself keeps the digits */
			step = ((0.5 - tail) - 0.5 * erf(z * M_SQRT1_2)) / density;
		z += step;
		if (fabs(step) <= 4e-16 * fabs(z))
			break;
	}
	return p < 0.5 ? -z : z;
}

double ct_t_cdf(double t, double df)
{
	double square = t * t, part;

	if (!(df > 0) || isnan(t))
		return NAN;
	if (isinf(df))
		return ct_normal_cdf(t);
	if (isinf(square))
		return t < 0 ? 0 : 1;
	part = 0.5 * beta_tails(df / 2, 0.5, df / (df + square), square / (df + square)).lower;
	return t < 0 ? part : 1 - part;
}

double ct_t_sf(double t, double df)
{
	return ct_t_cdf(-t, df);
}

double ct_t_quantile(double p, double df)
{
	double tail = p < 0.5 ? p : 1 - p, u, t;

	if (!probability_ok(p) || !(df > 0))
		return NAN;
	if (isinf(df))
		return ct_normal_quantile(p);
	if (tail == 0)
		return p < 0.5 ? -INFINITY : INFINITY;
	if (tail == 0.5)
		return 0;
	u = solve_quantile(&(struct family){true, df / 2, 0.5}, 2 * tail, 1 - 2 * tail);
	t = sqrt(df) * exp(-u / 2);
	return p < 0.5 ? -t : t;
}

double ct_gamma_cdf(double x, double shape)
{
	return gamma_tails(shape, x).lower;
}

double ct_gamma_sf(double x, double shape)
{
	return gamma_tails(shape, x).upper;
}

double ct_gamma_quantile(double p, double shape)
{
	if (!probability_ok(p) || !(shape > 0) || isinf(shape))
		return NAN;
	if (p == 0 || p == 1)
		return p == 0 ? 0 : INFINITY;
	return exp(solve_quantile(&(struct family){false, shape, 0}, p, 1 - p));
}

double ct_chi2_cdf(double x, double df)
{
	return ct_gamma_cdf(x / 2, df / 2);
}

double ct_chi2_sf(double x, double df)
{
	return ct_gamma_sf(x / 2, df / 2);
}

double ct_chi2_quantile(double p, double df)
{
	return 2 * ct_gamma_quantile(p, df / 2);
}

static struct tails f_tails(double x, double df1, double df2)
{
	double scaled = df1 * x, sum = scaled + df2;

	if (!(x > 0))
		return isnan(x) ? NO_TAILS : (struct tails){0, 1};
	if (isinf(scaled))
		return (struct tails){1, 0};
	return beta_tails(df1 / 2, df2 / 2, scaled / sum, df2 / sum);
}

double ct_f_cdf(double x, double df1, double df2)
{
	return f_tails(x, df1, df2).lower;
}

double ct_f_sf(double x, double df1, double df2)
{
	return f_tails(x, df1, df2).upper;
}

double ct_f_quantile(double p, double df1, double df2)
{
	if (!probability_ok(p) || !(df1 > 0 && df2 > 0) || isinf(df1) || isinf(df2))
		return NAN;
	if (p == 0 || p == 1)
		return p == 0 ? 0 : INFINITY;
	return df2 / df1 * exp(solve_quantile(&(struct family){true, df1 / 2, df2 / 2}, p, 1 - p));
}

double ct_f_noncentral_cdf(double x, double df1, double df2, double lambda)
{
	double half = lambda / 2, sum = 0, middle = floor(half);
	double ratio, y;

	if (!(lambda >= 0) || !(df1 > 0 && df2 > 0) || isnan(x) || isinf(lambda))
		return NAN;
	if (x <= 0)
		return 0;
	if (lambda == 0)
		return ct_f_cdf(x, df1, df2);
	ratio = df1 * x / (df1 * x + df2);
	y = df2 / (df1 * x + df2);
	/* Outwards from the most probable Poisson term, so that no weight underflows. */
	for (int direction = 1; direction >= -1; direction -= 2) {
		double j = direction > 0 ? middle : middle - 1;

		while (j >= 0) {
			double weight = j == 0 ? exp(-half) : gamma_factor(j, half) / j;
			double term = weight * beta_tails(df1 / 2 + j, df2 / 2, ratio, y).lower;

			sum += term;
			j += direction;
			if (weight < 1e-18 || (direction > 0 && term < 1e-18 * sum))
				break;
		}
	}
	return fmin(sum, 1);
}

double ct_beta_cdf(double x, double a, double b)
{
	return beta_tails(a, b, x, 1 - x).lower;
}

double ct_beta_sf(double x, double a, double b)
{
	return beta_tails(a, b, x, 1 - x).upper;
}

double ct_beta_quantile(double p, double a, double b)
{
	double u;

	if (!probability_ok(p) || !(a > 0 && b > 0) || isinf(a) || isinf(b))
		return NAN;
	if (p == 0 || p == 1)
		return p;
	u = solve_quantile(&(struct family){true, a, b}, p, 1 - p);
	return u < 0 ? exp(u) / (1 + exp(u)) : 1 / (1 + exp(-u));
}

static struct tails binomial_tails(uint64_t k, uint64_t n, double p)
{
	if (!probability_ok(p))
		return NO_TAILS;
	if (k >= n)
		return (struct tails){1, 0};
	return beta_tails((double)(n - k), (double)k + 1, 1 - p, p);
}

double ct_binomial_cdf(uint64_t k, uint64_t n, double p)
{
	return binomial_tails(k, n, p).lower;
}

double ct_binomial_sf(uint64_t k, uint64_t n, double p)
{
	return binomial_tails(k, n, p).upper;
}

uint64_t ct_binomial_quantile(double probability, uint64_t n, double p)
{
	uint64_t lo = 0, hi = n;

	if (!probability_ok(probability) || !probability_ok(p))
		return 0;
	while (lo < hi) {
		uint64_t middle = lo + (hi - lo) / 2;

		/* A step of the cdf that meets the probability exactly must not be lost to
		 * rounding. */
		if (ct_binomial_cdf(middle, n, p) >= probability * (1 - 1e-13))
			hi = middle;
		else
			lo = middle + 1;
	}
	return lo;
}

double ct_kolmogorov_sf(double x)
{
	double sum = 0;

	if (isnan(x))
		return NAN;
	if (x <= 0)
		return 1;
	if (x < 1) { /* the theta-function dual converges fast here, the alternating sum does not */
		for (int k = 1; k < 40; k += 2)
			sum += exp(-k * k * M_PI * M_PI / (8 * x * x));
		return 1 - sqrt(2 * M_PI) / x * sum;
	}
	for (int k = 1; k < 40; k++) {
		double term = exp(-2.0 * k * k * x * x);

		sum += k % 2 ? term : -term;
	}
	return 2 * sum;
}
