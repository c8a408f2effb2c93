#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tarball that runs where it is unpacked: the program, its manual, its suites and every library it
# needs but the C library itself (glibc 2.31 or later, as in Debian 11).
#
#   scripts/dist.sh            builds it in a Debian 11 root, then runs it in empty roots of
#                              Debian 11, 12 and 13 (`make dist`)
#   scripts/dist.sh --here     builds it with this machine's compiler and libraries: it then needs
#                              this machine's glibc or a later one
#
# The tarball is build/dist/cotenant-VERSION-linux-MACHINE.tar.gz. Roots need debootstrap and root's
# rights; the empty ones are kept in ${XDG_CACHE_HOME:-$HOME/.cache}/cotenant-fresh-root. BUILD_SUITE
# (bullseye) and RUN_SUITES (bullseye bookworm trixie) choose others, MIRROR another server.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cotenant-fresh-root
. ci/roots.sh
# A root builds what is committed; --here what is in the tree.
version=$(git describe --tags --always ${1:+--dirty} 2>/dev/null || cat VERSION)
name=cotenant-$version-linux-$(uname -m)
out=$PWD/build/dist

fail() {
	echo "dist: $1" >&2
	exit 1
}

# Everything that the loader maps for a program, without what belongs to the C library: those files
# must be the host's own, as its loader is.
libraries_of() {
	ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
		grep -vE '/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|util|anl|BrokenLocale|nsl|nss_[a-z]*|thread_db))\.so'
}

# Into $1: bin/, lib/, share/. Old-style rpath: it also counts for the libraries' own libraries.
stage() {
	local tree=$1 build=$2 library
	make -s BUILD="$build" PREFIX= DESTDIR="$tree" install
	mkdir -p "$tree/lib"
	while read -r library; do
		cp -L "$library" "$tree/lib/"
	done < <(libraries_of "$tree/bin/cotenant")
	chmod 644 "$tree"/lib/*
	strip --strip-unneeded "$tree"/lib/*
	patchelf --force-rpath --set-rpath '$ORIGIN/../lib' "$tree/bin/cotenant"
	# What these libraries' licences ask for: their own words go with them.
	mkdir -p "$tree/share/doc/cotenant/licences"
	while read -r library; do
		local package
		package=$(dpkg-query -S "$(readlink -f "$library")" 2>/dev/null | cut -d: -f1 | head -n 1) ||
			package=
		[ -z "$package" ] || [ ! -f "/usr/share/doc/$package/copyright" ] ||
			cp -L "/usr/share/doc/$package/copyright" "$tree/share/doc/cotenant/licences/$package"
	done < <(libraries_of "$tree/bin/cotenant")
}

# The same bytes from the same tree.
pack() {
	local parent=$1
	tar -C "$parent" --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" -c "$name" | gzip -9n
}

build_here() {
	local build=${1:-build}
	command -v patchelf >/dev/null || fail "patchelf is missing: apt-get install patchelf"
	rm -rf "build/dist/$name"
	mkdir -p "build/dist/$name"
	make -s -j"$(nproc)" BUILD="$build"
	stage "$PWD/build/dist/$name" "$build"
	pack build/dist >"build/dist/$name.tar.gz.new"
	mv "build/dist/$name.tar.gz.new" "build/dist/$name.tar.gz"
	rm -rf "build/dist/$name"
	echo "dist: build/dist/$name.tar.gz, $(du -h "build/dist/$name.tar.gz" | cut -f1)"
}

# The newest glibc that a binary asks for.
newest_glibc() {
	objdump -T "$@" 2>/dev/null | grep -o 'GLIBC_2\.[0-9.]*' | sort -Vu | tail -n 1
}

build_in_root() {
	suite=${BUILD_SUITE:-bullseye}
	make_base
	local root=$cache/dist-$suite
	new_root "$root"
	git clone --quiet --no-local . "$root/root/cotenant"
	# The chart library of the report was fetched here already; a root has no npm.
	mkdir -p "$root/root/cotenant/build/vendor" "$out"
	[ ! -s build/vendor/echarts.min.js ] ||
		cp build/vendor/echarts.min.js "$root/root/cotenant/build/vendor/"
	# Nor nvcc: kernels are machine code of the GPU, whatever the root's libraries are.
	local kernels=
	if [ -n "$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)" ]; then
		make -s build/kernels.fatbin
		cp build/kernels.fatbin "$root/root/kernels.fatbin"
		kernels=/root/kernels.fatbin
	fi
	in_root "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
		KERNELS_FROM="$kernels" \
		sh -euc 'cd /root/cotenant
			apt-get -q update && apt-get -q -y install --no-install-recommends git binutils patchelf
			scripts/setup.sh --build
			scripts/dist.sh --here' >"$out/build.log" 2>&1 ||
		fail "the build in $suite failed: see build/dist/build.log"
	cp "$root"/root/cotenant/build/dist/*.tar.gz "$out/"
	rm -rf --one-file-system "$root"
	echo "dist: built in Debian $suite: build/dist/$(basename "$out/$name.tar.gz")"
}

# In a root with nothing installed: it runs, measures, judges, writes its page.
try_in_root() {
	suite=$1
	make_base
	local root=$cache/try-$suite
	new_root "$root"
	tar -C "$root/opt" -xzf "$out/$name.tar.gz"
	echo "dist: glibc wanted: $(newest_glibc "$root/opt/$name/bin/cotenant" "$root/opt/$name"/lib/*)"
	in_root "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc '
		cd /opt/cotenant-*
		exec 2>&1
		ldd --version | head -n 1
		! ldd bin/cotenant | grep "not found"
		bin/cotenant --version
		bin/cotenant list >/dev/null
		bin/cotenant probe >/dev/null
		bin/cotenant run share/cotenant/suites/quick.ini -o /tmp/quick.h5 -q --seed 1 \
			--set suite.replicates=2 --set suite.measure=200ms --set suite.warmup=50ms
		bin/cotenant validate /tmp/quick.h5
		bin/cotenant show /tmp/quick.h5 >/dev/null
		bin/cotenant analyze /tmp/quick.h5 >/dev/null
		bin/cotenant report /tmp/quick.h5 -o /tmp/quick.html
		test "$(wc -c </tmp/quick.html)" -gt 100000
		mv /opt/cotenant-* /srv/elsewhere
		/srv/elsewhere/bin/cotenant bench null -t 200ms >/dev/null' >"$out/try-$suite.log" ||
		fail "it does not run in Debian $suite: see build/dist/try-$suite.log"
	rm -rf --one-file-system "$root"
	echo "dist: runs in Debian $suite ($(head -n 1 "$out/try-$suite.log"))"
}

case ${1:-} in
--here) build_here ;;
--try)
	for suite in ${RUN_SUITES:-bullseye bookworm trixie}; do try_in_root "$suite"; done
	;;
'')
	[ "$(id -u)" -eq 0 ] || fail "needs root for chroot and mount (--here does without)"
	build_in_root
	for suite in ${RUN_SUITES:-bullseye bookworm trixie}; do try_in_root "$suite"; done
	;;
*) fail "unknown option '$1': see the head of scripts/dist.sh" ;;
esac
