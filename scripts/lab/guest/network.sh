#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The data network of a lab machine, in the guest: network.sh vm1|vm2.
#
# The functions are made by scripts/vf.sh, as on a real machine. Soft-RoCE devices stay in the first
# network namespace: rxe of this kernel receives nothing in another one.
set -eu
scripts=/opt/cotenant/scripts
modprobe igb
# Nothing loads a driver for a function here, so it has to be there before the functions are.
modprobe igbvf
modprobe rdma_rxe
modprobe ib_uverbs
modprobe rdma_ucm

# DEVICE ADDRESS/LENGTH ...
use() {
	device=$1
	shift
	for address; do
		ip addr add "$address" dev "$device"
	done
	ip link set "$device" up
}

# NUMBER: the network device of a virtual function of eth1, under its name in this lab.
name_function() {
	for netdev in /sys/class/net/eth1/device/virtfn"$1"/net/*; do
		ip link set "${netdev##*/}" name "vf$1"
	done
}

case $1 in
vm1)
	ip link set eth1 up
	"$scripts/vf.sh" up eth1 --vfs 2 --mac-base 02:c0:7e:00:01:00 --apply
	name_function 0
	name_function 1
	use vf0 10.77.1.1/24
	use vf1 10.77.2.1/24
	rdma link add rxe0 type rxe netdev vf0
	rdma link add rxe1 type rxe netdev vf1
	;;
vm2)
	ip link set eth1 name peer0
	use peer0 10.77.1.2/24 10.77.2.2/24
	rdma link add rxe0 type rxe netdev peer0
	;;
*)
	echo "network.sh: vm1 or vm2" >&2
	exit 2
	;;
esac
