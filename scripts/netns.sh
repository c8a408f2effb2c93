#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Two network namespaces joined by a link, for job files that say `via = ip netns exec NAME`.
#
#   netns.sh up [--rate RATE] [--apply] [BLUE RED]    make them: BLUE has 10.77.0.1, RED 10.77.0.2
#   netns.sh down [--apply] [BLUE RED]                remove them
#
# Without --apply it prints what it would do and changes nothing. --rate (such as 1gbit) puts a
# token bucket on both ends. The names are cotenant-blue and cotenant-red unless two are given.
# Namespaces that exist already are not touched: `up` refuses them. Needs root. `down` with one name
# removes that one.
set -eu

# shellcheck source=scripts/namespaces.sh
. "$(dirname "$(readlink -f "$0")")/namespaces.sh"

# NAME ADDRESS
set_end() {
	act ip -n "$1" addr add "$2/24" dev veth0
	act ip -n "$1" link set veth0 up
	act ip -n "$1" link set lo up
	[ -z "$rate" ] || limit_rate "$1" veth0 "$rate"
}

up() {
	refuse_existing "$blue" "give other names"
	refuse_existing "$red" "give other names"
	begin
	make_namespace "$blue"
	make_namespace "$red"
	act ip link add veth0 netns "$blue" type veth peer name veth0 netns "$red"
	set_end "$blue" 10.77.0.1
	set_end "$red" 10.77.0.2
	all_made
}

down() {
	for name in "$blue" $red; do
		remove_namespace "$name"
	done
}

rate='' command='' names=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage
		exit 0
		;;
	--apply) apply=yes ;;
	--rate)
		[ $# -gt 1 ] || fail "--rate needs a rate such as 1gbit"
		rate=$2
		shift
		;;
	-*) fail "unknown option '$1': see netns.sh --help" ;;
	*)
		if [ -z "$command" ]; then command=$1; else names="$names $1"; fi
		;;
	esac
	shift
done
# shellcheck disable=SC2086 # names are words of their own
set -- ${names:-cotenant-blue cotenant-red}
if [ $# -eq 1 ] && [ "$command" = down ]; then
	set -- "$1" ''
elif [ $# -ne 2 ] || [ "$1" = "$2" ]; then
	fail "give two different names, or none"
fi
blue=$1 red=$2
case $blue$red in
*[!A-Za-z0-9_-]*) fail "a name is of letters, digits, '-' and '_'" ;;
esac
check_rights
case $command in
up) up ;;
down) down ;;
*) fail "say up or down: see netns.sh --help" ;;
esac
[ -n "$apply" ] || printf '# nothing was done: add --apply\n'
