#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Network namespaces for the ranks of a collective, each joined by a veth to one bridge.
#
#   netns-ranks.sh up [--ranks N] [--rate RATE] [--prefix NAME] [--apply]
#                                    make them: cotenant-rank0 has 10.78.0.1, cotenant-rank1
#                                    10.78.0.2, ...; the bridge is in a namespace of its own,
#                                    cotenant-switch
#   netns-ranks.sh down [--prefix NAME] [--apply]    remove them
#
# Without --apply it prints what it would do and changes nothing. There are 4 ranks unless told
# otherwise (16 at most). --rate (such as 1gbit) puts a token bucket on every rank's way out.
# --prefix takes the place of 'cotenant' in all names. Namespaces that exist already are not
# touched: `up` refuses them. Needs root.
set -eu

# shellcheck source=scripts/namespaces.sh
. "$(dirname "$(readlink -f "$0")")/namespaces.sh"

make_end() {
	refuse_existing "$1" "remove it first (down)"
	make_namespace "$1"
	act ip -n "$1" link set lo up
}

make_switch() {
	make_end "$switch"
	act ip -n "$switch" link add br0 type bridge
	act ip -n "$switch" link set br0 up
}

# NUMBER
make_rank() {
	make_end "$prefix-rank$1"
	act ip link add eth0 netns "$prefix-rank$1" type veth peer name "port$1" netns "$switch"
	act ip -n "$switch" link set "port$1" master br0 up
	act ip -n "$prefix-rank$1" addr add "10.78.0.$(($1 + 1))/24" dev eth0
	act ip -n "$prefix-rank$1" link set eth0 up
	[ -z "$rate" ] || limit_rate "$prefix-rank$1" eth0 "$rate"
}

up() {
	begin
	make_switch
	rank=0
	while [ "$rank" -lt "$ranks" ]; do
		make_rank "$rank"
		rank=$((rank + 1))
	done
	all_made
}

down() {
	for path in "/run/netns/$prefix-rank"[0-9] "/run/netns/$prefix-rank"1[0-9] \
		"/run/netns/$switch"; do
		[ ! -e "$path" ] || remove_namespace "${path##*/}"
	done
}

rate='' command='' ranks=4 prefix=cotenant
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--apply) apply=yes ;;
	--rate | --ranks | --prefix)
		[ $# -gt 1 ] || fail "$1 needs a value"
		case $1 in
		--rate) rate=$2 ;;
		--ranks) ranks=$2 ;;
		--prefix) prefix=$2 ;;
		esac
		shift
		;;
	-*) fail "unknown option '$1': see netns-ranks.sh --help" ;;
	*)
		[ -z "$command" ] || fail "say up or down once: see netns-ranks.sh --help"
		command=$1
		;;
	esac
	shift
done
case $ranks in
'' | *[!0-9]*) fail "--ranks $ranks: a number from 2 to 16" ;;
esac
if [ "$ranks" -lt 2 ] || [ "$ranks" -gt 16 ]; then
	fail "--ranks $ranks: a number from 2 to 16"
fi
case $prefix in
'' | -* | *[!A-Za-z0-9_-]*) fail "--prefix $prefix: a name is of letters, digits, '-' and '_'" ;;
esac
switch=$prefix-switch
check_rights
case $command in
up) up ;;
down) down ;;
*) fail "say up or down: see netns-ranks.sh --help" ;;
esac
[ -n "$apply" ] || printf '# nothing was done: add --apply\n'
