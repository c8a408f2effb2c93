#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Cuts a GPU into MIG devices, and puts back the mode and the layout that were there.
#
#   mig.sh status
#   mig.sh up --gpu I --layout 3g.40gb,2g.20gb,1g.10gb [--apply]
#   mig.sh down --gpu I [--apply]
#
# Without --apply it prints what it would do and changes nothing. `up` notes mode and layout, and
# ends with the lines `gpu = MIG-...` for a job file; `down` puts back what was noted. A GPU that
# some process uses is left alone. A change of mode may need a reset or a reboot: then it says so
# and stops. Needs root and nvidia-smi.
set -eu

state_dir=${COTENANT_STATE_DIR:-/run/cotenant}

fail() {
	printf 'mig.sh: %s\n' "$1" >&2
	exit "${2:-2}"
}

usage() {
	sed -n 's/^# \{0,1\}//; 4,13p' "$0"
}

# Runs nvidia-smi, or prints it.
smi() {
	if [ -n "$apply" ]; then
		nvidia-smi "$@" >/dev/null || return 1
	else
		printf 'nvidia-smi %s\n' "$*"
	fi
}

# FIELD: one value of the GPU.
query() {
	nvidia-smi -i "$gpu" --query-gpu="$1" --format=csv,noheader
}

# The profiles of its GPU instances, in the order of their places: "3g.40gb,1g.10gb" or "".
layout_now() {
	nvidia-smi mig -i "$gpu" -lgi 2>/dev/null |
		sed -n 's/.*MIG \([0-9][0-9a-z.+]*\) .* \([0-9][0-9]*\):[0-9][0-9]* .*/\2 \1/p' |
		sort -n | cut -d' ' -f2 | paste -sd, -
}

check_gpu() {
	command -v nvidia-smi >/dev/null || fail "needs nvidia-smi: install the NVIDIA driver" 4
	mode=$(query mig.mode.current) || fail "GPU $gpu does not answer nvidia-smi" 4
	case $mode in
	Enabled | Disabled) ;;
	*) fail "GPU $gpu has no MIG mode ($mode)" 4 ;;
	esac
	users=$(nvidia-smi -i "$gpu" --query-compute-apps=pid --format=csv,noheader) || users=
	[ -z "$users" ] || fail "GPU $gpu is used by process $(echo "$users" | paste -sd' ' -): end it first" 4
	state=$state_dir/mig-$gpu.state
}

clear_layout() {
	[ -z "$1" ] || {
		smi mig -i "$gpu" -dci && smi mig -i "$gpu" -dgi
	}
}

# on or off: a mode that only a reset brings into force is no mode yet.
set_mode() {
	[ "$mode" != "$1" ] || return 0
	case $1 in Enabled) smi -i "$gpu" -mig 1 ;; *) smi -i "$gpu" -mig 0 ;; esac || return 1
	[ -n "$apply" ] || return 0
	[ "$(query mig.mode.current)" = "$1" ] || {
		echo "mig.sh: MIG mode of GPU $gpu waits for a reset (nvidia-smi --gpu-reset) or a reboot" >&2
		return 1
	}
}

make_layout() {
	[ -z "$1" ] || smi mig -i "$gpu" -cgi "$1" -C
}

# LAYOUT MODE: whatever is there now, make it these.
restore() {
	clear_layout "$(layout_now)" || :
	mode=$(query mig.mode.current)
	set_mode "$2" || return 1
	make_layout "$1"
}

undo() {
	trap - EXIT INT TERM
	restore "$before" "$mode_before" ||
		fail "stopped half-way, and GPU $gpu could not be put back: it had '$before', MIG mode $mode_before" 4
	rm -f "$state"
	fail "stopped half-way; GPU $gpu has its earlier mode and layout" 4
}

up() {
	[ -n "$layout" ] || fail "up needs --layout, such as 3g.40gb,2g.20gb,1g.10gb"
	before=$(layout_now) mode_before=$mode
	if [ -n "$apply" ]; then
		mkdir -p "$state_dir"
		[ -e "$state" ] || printf '%s\n%s\n' "$mode_before" "$before" >"$state"
		trap undo EXIT INT TERM
	fi
	clear_layout "$before"
	set_mode Enabled
	make_layout "$layout"
	trap - EXIT INT TERM
	[ -z "$apply" ] || devices
}

down() {
	[ -e "$state" ] || fail "GPU $gpu was not cut by this script: nothing to put back" 4
	mode_before=$(sed -n 1p "$state")
	before=$(sed -n 2p "$state")
	if [ -n "$apply" ]; then
		restore "$before" "$mode_before" || fail "GPU $gpu could not be put back: see above" 4
		rm -f "$state"
	else
		clear_layout "$(layout_now)"
		set_mode "$mode_before"
		make_layout "$before"
	fi
}

# The MIG devices of this GPU, as a tenant names them.
devices() {
	nvidia-smi -L | awk -v gpu="GPU $gpu:" '
		/^GPU /       { mine = index($0, gpu) == 1 }
		mine && /MIG-/ { sub(/.*UUID: /, ""); sub(/\).*/, ""); print "gpu = " $0 }'
}

command='' gpu='' layout='' apply=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--apply) apply=yes ;;
	--gpu | --layout)
		[ $# -gt 1 ] || fail "$1 needs a value"
		if [ "$1" = --gpu ]; then gpu=$2; else layout=$2; fi
		shift
		;;
	-*) fail "unknown option '$1': see mig.sh --help" ;;
	*)
		[ -z "$command" ] || fail "one command at a time, not '$1' as well"
		command=$1
		;;
	esac
	shift
done
case $layout in *[!0-9a-z.,+]*) fail "--layout $layout: profiles such as 3g.40gb, with commas between" ;; esac
case $command in
status)
	command -v nvidia-smi >/dev/null || fail "needs nvidia-smi: install the NVIDIA driver" 4
	nvidia-smi -L
	;;
up | down)
	case $gpu in '' | *[!0-9]*) fail "$command needs --gpu and its number" ;; esac
	check_gpu
	"$command"
	[ -n "$apply" ] || printf '# nothing was done: add --apply\n'
	;;
*) fail "say status, up or down: see mig.sh --help" ;;
esac
