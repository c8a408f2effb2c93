/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/protocol.h"

const char *ct_message_name(unsigned type)
{
	switch ((enum ct_message)type) {
	case CT_MSG_SETUP:
		return "SETUP";
	case CT_MSG_CALIBRATE:
		return "CALIBRATE";
	case CT_MSG_LOAD:
		return "LOAD";
	case CT_MSG_UNLOAD:
		return "UNLOAD";
	case CT_MSG_RUN:
		return "RUN";
	case CT_MSG_CLOCK:
		return "CLOCK";
	case CT_MSG_QUIT:
		return "QUIT";
	case CT_MSG_CONNECT:
		return "CONNECT";
	case CT_MSG_STAY:
		return "STAY";
	case CT_MSG_REHEARSE:
		return "REHEARSE";
	case CT_MSG_HELLO:
		return "HELLO";
	case CT_MSG_READY:
		return "READY";
	case CT_MSG_CALIBRATED:
		return "CALIBRATED";
	case CT_MSG_LOADED:
		return "LOADED";
	case CT_MSG_NOISE:
		return "NOISE";
	case CT_MSG_EPOCH:
		return "EPOCH";
	case CT_MSG_DONE:
		return "DONE";
	case CT_MSG_UNLOADED:
		return "UNLOADED";
	case CT_MSG_CLOCK_IS:
		return "CLOCK_IS";
	case CT_MSG_FAILED:
		return "FAILED";
	case CT_MSG_CONNECTED:
		return "CONNECTED";
	case CT_MSG_ALIVE:
		return "ALIVE";
	case CT_MSG_REHEARSED:
		return "REHEARSED";
	}
	return "?";
}
