/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number with its confidence interval: what every estimator of this folder hands back.
 *
 * lo <= hi; value usually lies between them but need not (a truncated or bias-corrected estimate
 * may sit on the edge). A side the data can't bound is -INFINITY or INFINITY. All three are NaN
 * when there is no estimate; the function that failed has then also returned false.
 */
#ifndef COTENANT_STATS_INTERVAL_H
#define COTENANT_STATS_INTERVAL_H

#include <math.h>

struct ct_interval {
	double value, lo, hi;
};

#define CT_INTERVAL_NONE ((struct ct_interval){NAN, NAN, NAN})

#endif
