/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/rest.h"

#include <math.h>

/* Waking up costs as much CPU time as a short burst. */
static const double shortest_ns = 10e6;
/* Of an epoch, and of the debt. */
static const double share_of_epoch = 0.25, share_of_debt = 1.0 / 32;

void ct_rest_init(struct ct_rest *rest, double duty)
{
	*rest = (struct ct_rest){.price = 100 / duty};
}

double ct_rest_after(struct ct_rest *rest, double begin_ns, double now_ns, double used_ns)
{
	double owed;

	rest->paid_ns = fmax(rest->paid_ns, begin_ns) + used_ns * rest->price;
	owed = rest->paid_ns - now_ns;
	if (owed < shortest_ns)
		return 0;
	return fmin(owed,
		    fmax(shortest_ns, share_of_epoch * rest->epoch_ns + share_of_debt * owed));
}
