# SPDX-License-Identifier: Apache-2.0
#
# What netns.sh and netns-ranks.sh, which source this, have in common. With $apply empty everything
# is printed and nothing done; $made holds the names of the namespaces made so far.
#
# shellcheck shell=sh

apply='' made=''
state_dir=${COTENANT_STATE_DIR:-/run/cotenant}

fail() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit "${2:-2}"
}

# The comment at the head of the script.
usage() {
	sed -n '4,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# Runs a command, or prints it.
act() {
	if [ -n "$apply" ]; then
		"$@" || return
	else
		printf '%s\n' "$*"
	fi
}

check_rights() {
	command -v ip >/dev/null || fail "needs ip: apt-get install iproute2" 4
	[ -z "$apply" ] || [ "$(id -u)" -eq 0 ] || fail "--apply needs root" 4
}

exists() {
	[ -e "/run/netns/$1" ]
}

refuse_existing() {
	! exists "$1" || fail "the network namespace '$1' exists already: $2"
}

# What `cotenant restore` is to undo, should nobody say `down`.
note() {
	[ -z "$apply" ] || {
		mkdir -p "$state_dir"
		: >"$state_dir/netns-$1.state"
	}
}

forget() {
	[ -z "$apply" ] || rm -f "$state_dir/netns-$1.state"
}

make_namespace() {
	note "$1"
	act ip netns add "$1" || {
		forget "$1"
		exit 4
	}
	made="$made $1"
}

remove_namespace() {
	! exists "$1" || act ip netns del "$1"
	forget "$1"
}

# NAMESPACE DEVICE RATE
limit_rate() {
	act tc -n "$1" qdisc add dev "$2" root tbf rate "$3" burst 128kb latency 20ms
}

# From here on until all_made: what fails takes away what was made.
begin() {
	[ -z "$apply" ] || trap undo EXIT INT TERM
}

undo() {
	trap - EXIT INT TERM
	for name in $made; do
		ip netns del "$name" 2>/dev/null || :
		forget "$name"
	done
	fail "stopped half-way; what was made has been removed" 4
}

all_made() {
	trap - EXIT INT TERM
}
