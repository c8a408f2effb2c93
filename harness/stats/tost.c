/* SPDX-License-Identifier: Apache-2.0 */
/* Two one-sided t tests on the paired log ratio. */
#include "harness/stats/tost.h"

bool ct_tost_paired(const struct ct_paired *paired, double margin, double alpha,
		    struct ct_tost *out)
{
	double high = 1 + margin, low = 1 / high;

	*out = (struct ct_tost){NAN, NAN, NAN, NAN, NAN, NAN, CT_INTERVAL_NONE};
	if (!(margin > 0) || isinf(margin) || !(alpha > 0 && alpha < 0.5) ||
	    !ct_paired_interval(paired, 1 - 2 * alpha, &out->interval))
		return false;
	out->p_above_low = ct_paired_p_greater(paired, low);
	out->p_below_high = ct_paired_p_less(paired, high);
	out->p_equivalent = fmax(out->p_above_low, out->p_below_high);
	out->p_worse = ct_paired_p_greater(paired, high);
	out->p_better = ct_paired_p_less(paired, low);
	out->p_different = ct_paired_p_two_sided(paired, 1);
	return true;
}
