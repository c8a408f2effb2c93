#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the virtual functions of a NIC (SR-IOV), and puts back what was there.
#
#   vf.sh status [PF]
#   vf.sh up PF --vfs N [--mac-base MAC] [--trust on|off] [--max-rate MBIT] [--force] [--apply]
#   vf.sh down PF [--force] [--apply]
#
# PF is the network device of a physical function (ens1f0). Without --apply it prints what it would
# do and changes nothing. `up` notes the number of functions there were; `down` puts it back. MAC
# addresses count up from --mac-base and are set before a driver takes the functions. Functions
# whose network devices are up are in use, and are left alone without --force. Needs root.
set -eu

sys=${COTENANT_SYSFS:-/sys}
state_dir=${COTENANT_STATE_DIR:-/run/cotenant}

fail() {
	printf 'vf.sh: %s\n' "$1" >&2
	exit "${2:-2}"
}

usage() {
	sed -n 's/^# \{0,1\}//; 4,13p' "$0"
}

# Runs a command, or prints it.
act() {
	if [ -n "$apply" ]; then
		"$@"
	else
		printf '%s\n' "$*"
	fi
}

# FILE VALUE
put() {
	if [ -n "$apply" ]; then
		printf '%s\n' "$2" 2>/dev/null >"$1" || return 1
	else
		printf 'echo %s > %s\n' "$2" "$1"
	fi
}

value() {
	cat "$1" 2>/dev/null || echo "${2:-}"
}

find_device() {
	device=$sys/class/net/$pf/device
	[ -e "$sys/class/net/$pf" ] || fail "there is no network device '$pf'"
	[ ! -e "$device/physfn" ] || fail "$pf is a virtual function: name its physical one"
	[ -e "$device/sriov_totalvfs" ] ||
		fail "$pf can't have virtual functions (no $device/sriov_totalvfs): enable SR-IOV in its firmware and the BIOS"
	total=$(value "$device/sriov_totalvfs" 0)
	now=$(value "$device/sriov_numvfs" 0)
	state=$state_dir/vf-$pf.state
}

# Functions that somebody uses: a network device that is up, or a guest that has the function.
check_unused() {
	[ -z "$force" ] || return 0
	for function in "$device"/virtfn*; do
		[ -e "$function" ] || continue
		driver=$(readlink "$function/driver" 2>/dev/null || :)
		[ "${driver##*/}" != vfio-pci ] ||
			fail "${function##*/} of $pf is with a guest (vfio-pci): --force takes it away" 4
		for netdev in "$function"/net/*; do
			[ "$(value "$netdev/operstate")" != up ] ||
				fail "${netdev##*/} of $pf is up: --force takes it away" 4
		done
	done
}

# The n-th address after --mac-base.
mac_at() {
	tail=$(printf '%d' "0x$(printf '%s' "$mac_base" | cut -d: -f4-6 | tr -d :)")
	tail=$((tail + $1))
	printf '%s:%02x:%02x:%02x' "$(printf '%s' "$mac_base" | cut -d: -f1-3)" \
		$((tail >> 16 & 255)) $((tail >> 8 & 255)) $((tail & 255))
}

# Any number but 0 can only be set from 0.
set_number() {
	[ "$(value "$device/sriov_numvfs" 0)" = 0 ] || put "$device/sriov_numvfs" 0
	[ "$1" = 0 ] || put "$device/sriov_numvfs" "$1"
}

undo() {
	trap - EXIT INT TERM
	put "$device/sriov_numvfs" 0 || :
	[ "$now" = 0 ] || put "$device/sriov_numvfs" "$now" || :
	put "$device/sriov_drivers_autoprobe" "$autoprobe" 2>/dev/null || :
	rm -f "$state"
	fail "stopped half-way; $pf has its $now virtual functions as before" 4
}

# N: what is set on the physical function for each virtual one.
set_function() {
	[ -z "$mac_base" ] || act ip link set "$pf" vf "$1" mac "$(mac_at "$1")"
	[ -z "$trust" ] || act ip link set "$pf" vf "$1" trust "$trust"
	[ -z "$max_rate" ] || act ip link set "$pf" vf "$1" max_tx_rate "$max_rate"
}

up() {
	[ -n "$vfs" ] || fail "up needs --vfs N"
	case $vfs in '' | *[!0-9]* | 0) fail "--vfs $vfs: not a number from 1 on" ;; esac
	[ "$vfs" -le "$total" ] || fail "--vfs $vfs: $pf can have $total"
	check_unused
	autoprobe=$(value "$device/sriov_drivers_autoprobe" 1)
	if [ -n "$apply" ]; then
		mkdir -p "$state_dir"
		[ -e "$state" ] || printf '%s\n' "$now" >"$state"
		trap undo EXIT INT TERM
	fi
	# Drivers take the functions only when they have their addresses.
	put "$device/sriov_drivers_autoprobe" 0
	set_number "$vfs"
	i=0
	while [ "$i" -lt "$vfs" ]; do
		set_function "$i"
		i=$((i + 1))
	done
	put "$device/sriov_drivers_autoprobe" "$autoprobe"
	bind_drivers
	trap - EXIT INT TERM
}

# Asks the kernel to find a driver for each function that has none.
bind_drivers() {
	if [ -z "$apply" ]; then
		echo "echo PCI-ADDRESS > $sys/bus/pci/drivers_probe, for every function"
		return
	fi
	for function in "$device"/virtfn*; do
		[ -e "$function" ] || continue
		[ -e "$function/driver" ] || {
			address=$(readlink "$function")
			put "$sys/bus/pci/drivers_probe" "${address##*/}"
		}
	done
}

down() {
	check_unused
	if [ -e "$state" ]; then
		before=$(cat "$state")
	else
		before=0
		printf 'vf.sh: %s was not set up by this script: 0 functions are put back\n' "$pf" >&2
	fi
	set_number "$before"
	[ -z "$apply" ] || rm -f "$state"
}

show_one() {
	printf '%s: %s of %s virtual functions\n' "$1" \
		"$(value "$sys/class/net/$1/device/sriov_numvfs" 0)" \
		"$(value "$sys/class/net/$1/device/sriov_totalvfs" 0)"
}

status() {
	found=
	for path in "$sys"/class/net/*; do
		name=${path##*/}
		[ -e "$path/device/sriov_totalvfs" ] || continue
		[ -z "$pf" ] || [ "$pf" = "$name" ] || continue
		show_one "$name"
		found=yes
	done
	[ -n "$found" ] || fail "no network device ${pf:+($pf) }that can have virtual functions" 4
}

command='' pf='' vfs='' mac_base='' trust='' max_rate='' force='' apply=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--apply) apply=yes ;;
	--force) force=yes ;;
	--vfs | --mac-base | --trust | --max-rate)
		[ $# -gt 1 ] || fail "$1 needs a value"
		case $1 in
		--vfs) vfs=$2 ;;
		--mac-base) mac_base=$2 ;;
		--trust) trust=$2 ;;
		--max-rate) max_rate=$2 ;;
		esac
		shift
		;;
	-*) fail "unknown option '$1': see vf.sh --help" ;;
	*)
		if [ -z "$command" ]; then
			command=$1
		elif [ -z "$pf" ]; then
			pf=$1
		else
			fail "one physical function at a time, not '$1' as well"
		fi
		;;
	esac
	shift
done
case $mac_base in
'' | [0-9a-fA-F][0-9a-fA-F]:[0-9a-fA-F][0-9a-fA-F]:[0-9a-fA-F][0-9a-fA-F]:[0-9a-fA-F][0-9a-fA-F]:[0-9a-fA-F][0-9a-fA-F]:[0-9a-fA-F][0-9a-fA-F]) ;;
*) fail "--mac-base $mac_base: not an address such as 02:00:00:00:00:10" ;;
esac
case $trust in '' | on | off) ;; *) fail "--trust $trust: on or off" ;; esac
case $max_rate in *[!0-9]*) fail "--max-rate $max_rate: a number of Mbit/s" ;; esac
case $command in
status) status ;;
up | down)
	[ -n "$pf" ] || fail "$command: which physical function? (see vf.sh status)"
	find_device
	if [ -n "$apply" ] && [ ! -w "$device/sriov_numvfs" ]; then
		fail "--apply needs root: $device/sriov_numvfs can't be written" 4
	fi
	"$command"
	[ -n "$apply" ] || printf '# nothing was done: add --apply\n'
	;;
*) fail "say status, up or down: see vf.sh --help" ;;
esac
