/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a victim rests that measures for a share of the time only, and for how long. Pure arithmetic
 * on one time line, in nanoseconds.
 *
 * What it has used is paid for with time, `100 / duty` for each nanosecond, as cells pay in ATM's
 * generic cell rate algorithm (ITU-T I.371): the account is one instant, at which all would be
 * paid. A rest pays a quarter of an epoch and a small share of the debt at most. So the share of
 * the CPU is `duty` in the long run, whatever an operation costs, and one burst that a hypervisor
 * or a fault held up, which the kernel may count as CPU time of ours, is paid for over many rests
 * instead of by silence that lasts for several epochs.
 */
#ifndef COTENANT_TENANT_REST_H
#define COTENANT_TENANT_REST_H

struct ct_rest {
	double price;    /* ns of the time line for a ns used */
	double epoch_ns; /* of the phase under way; may change */
	double paid_ns;  /* when all that was used is paid for */
};

/* `duty` in percent, above 0. */
void ct_rest_init(struct ct_rest *rest, double duty);
/*
 * Accounts for `used_ns` of CPU time used from begin_ns to now_ns. How long to rest now; 0 is to go
 * on: too little is owed for waking up to be worth it.
 */
double ct_rest_after(struct ct_rest *rest, double begin_ns, double now_ns, double used_ns);

#endif
