#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Waits in vm1 until each function reaches the peer: links come up some seconds after their devices.
for address in 10.77.1.2 10.77.2.2; do
	tries=0
	until ping -c 1 -W 1 "$address" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ "$tries" -ge 60 ]; then
			echo "no answer from $address"
			exit 1
		fi
		sleep 0.5
	done
done
