/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/transport.h"

bool ct_transport_failure(const struct ct_transport *transport, struct ct_error *err)
{
	if (transport->outcome == CT_TRANSPORT_CLOSED)
		return ct_broken(err, "rank %u %s", transport->failed_rank, transport->what);
	return ct_broken(err, "the connection to rank %u: %s", transport->failed_rank,
			 transport->what);
}
