#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the program asks of the C library is there on the oldest system that `make dist` serves: Debian 11,
# glibc 2.31. Takes seconds, where making a tarball in a root of Debian 11 takes minutes.
#
#   ci/symbols.sh [PROGRAM ...]       default: build/cotenant
set -euo pipefail
cd "$(dirname "$0")/.."
oldest=2.31

# Older than the version that they carry here: later ones moved them into libc.so or made them anew.
moved=" __libc_start_main dlclose dlerror dlopen dlsym fstat hypot lstat pthread_condattr_setclock pthread_create
	pthread_detach pthread_getcpuclockid pthread_join pthread_sigmask sem_destroy sem_init sem_post sem_wait stat "

bad=0
for program in "${@:-build/cotenant}"; do
	# "0000  DF *UND*  0000 (GLIBC_2.34) close_range": name and version of what is not its own.
	asked=$(objdump -T "$program" |
		sed -nE 's/.*\*UND\*.*[ (]GLIBC_([0-9.]+)\)? +([A-Za-z0-9_]+)$/\2 \1/p')
	[ -n "$asked" ] || {
		echo "symbols: $program asks nothing of the C library: is it a program of this system?" >&2
		exit 2
	}
	while read -r name version; do
		[ "$(printf '%s\n' "$oldest" "$version" | sort -V | tail -n 1)" != "$oldest" ] || continue
		[[ ! $moved =~ [[:space:]]$name[[:space:]] ]] || continue
		echo "$program: $name carries glibc $version: is it in Debian 11's $oldest? If so, name it in $0"
		bad=$((bad + 1))
	done <<<"$asked"
done
[ "$bad" -eq 0 ] || exit 1
echo "symbols: good"
