#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The data network of a lab machine, in the guest: network.sh vm1|vm2.
#
# The functions are made by scripts/vf.sh, as on a real machine. Soft-RoCE devices stay in the first
# network namespace: rxe of this kernel receives nothing in another one.
set -eu
scripts=/opt/cotenant/scripts
case $1 in
vm1 | vm2) number=${1#vm} ;;
*)
	echo "network.sh: vm1 or vm2" >&2
	exit 2
	;;
esac
modprobe igb
# Nothing loads a driver for a function here, so it has to be there before the functions are.
modprobe igbvf
modprobe rdma_rxe
modprobe ib_uverbs

# The network device of a virtual function of eth1 gets the name that it has in this lab, an address
# of a network of its own, and a soft-RoCE device.
use_function() {
	for netdev in /sys/class/net/eth1/device/virtfn"$1"/net/*; do
		ip link set "${netdev##*/}" name "vf$1"
	done
	ip addr add "10.77.$(($1 + 1)).$number/24" dev "vf$1"
	ip link set "vf$1" up
	rdma link add "rxe$1" type rxe netdev "vf$1"
}

# Both functions are on one segment: without these, either answers for the other's address, and what
# is sent to one arrives at the other. (What RDMA sends is lost then, and soft-RoCE of this kernel
# answers a loss in a flood with retransmissions that don't end.)
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce

ip link set eth1 up
"$scripts/vf.sh" up eth1 --vfs 2 --mac-base "02:c0:7e:00:0$number:00" --apply
use_function 0
use_function 1
