#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A virtual lab: two machines in software emulation (QEMU without KVM), joined by a NIC with SR-IOV.
#
#   lab.sh up         build what is missing, boot both, set up functions, addresses and RDMA
#   lab.sh down       end both machines; nothing is kept but logs and the image
#   lab.sh status     which of them runs, and how to reach it
#   lab.sh ssh VM [COMMAND ...]    vm1 or vm2
#   lab.sh push       copy the program, scripts and suites into both again
#
# Each has two virtual functions of one physical one, vf0 (10.77.1.1 in vm1, 10.77.1.2 in vm2) and
# vf1 (10.77.2.1, 10.77.2.2), with a soft-RoCE device each (rxe0, rxe1). Job files reach them by
# `via = ssh -F build/lab/ssh_config vm1`. All files lie under build/lab; consoles and logs in
# build/lab/log. Needs no KVM and no root, only the packages of scripts/setup.sh --lab. Timings in
# here are those of an emulator: results are labelled, and no figure of them says anything of hardware.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lab/common.sh
. "$here/common.sh"

memory=${LAB_MEMORY:-1280}
cpus=2
patience=${LAB_PATIENCE:-300} # seconds until a machine must answer
log=$lab/log
config=$lab/ssh_config
sockets_file=$lab/sockets

usage() {
	sed -n 's/^# \{0,1\}//; 4,16p' "$0"
}

sockets() {
	cat "$sockets_file" 2>/dev/null || true
}

in_vm() {
	local vm=$1
	shift
	ssh -F "$config" -o BatchMode=yes -o ConnectTimeout=10 "$vm" "$@"
}

# The process id of a machine of this lab that runs, else nothing: a pid alone may be another's.
pid_of() {
	local pid
	pid=$(cat "$lab/$1.pid" 2>/dev/null) || return 0
	if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -F -e "-pidfile $lab/$1.pid" >/dev/null; then
		echo "$pid"
	fi
}

# ---- up ----

free_ports() {
	python3 - "$1" <<-'END'
		import socket, sys
		taken = [socket.socket() for _ in range(int(sys.argv[1]))]
		for one in taken:
		    one.bind(("127.0.0.1", 0))
		    print(one.getsockname()[1])
	END
}

write_ssh_config() {
	local vm port
	printf 'cotenant-lab %s\n' "$(cut -d' ' -f1,2 "$keys/host.pub")" >"$lab/known_hosts"
	for vm in vm1 vm2; do
		read -r port
		cat <<-END
			Host $vm
			    HostName 127.0.0.1
			    Port $port
			    User root
			    IdentityFile "$keys/user"
			    IdentitiesOnly yes
			    HostKeyAlias cotenant-lab
			    UserKnownHostsFile "$lab/known_hosts"
			    StrictHostKeyChecking yes
			    ControlMaster auto
			    ControlPath "$(sockets)/$vm"
			    ControlPersist yes
			    LogLevel ERROR
		END
	done >"$config"
}

# VM NUMBER PORT LINK-OPTIONS
boot() {
	local vm=$1 number=$2 port=$3 link=$4
	qemu-system-x86_64 -name "cotenant-lab-$vm" -nodefaults -no-user-config -display none \
		-machine q35 -accel tcg,thread=multi -cpu max -smp "$cpus" -m "$memory" \
		-kernel "$image/vmlinuz" -initrd "$image/initrd" \
		-append "console=ttyS0 quiet net.ifnames=0 mitigations=off tsc=reliable nowatchdog audit=0 apparmor=0 lab.name=$vm" \
		-drive "file=$image/disk,format=raw,if=virtio,readonly=on" \
		-netdev "user,id=control,restrict=on,hostfwd=tcp:127.0.0.1:$port-:22" \
		-device virtio-net-pci,netdev=control,romfile= \
		-device pcie-root-port,id=root,chassis=1 \
		-netdev "stream,id=link,addr.type=unix,addr.path=$(sockets)/link,$link" \
		-device "igb,bus=root,netdev=link,mac=02:c0:7e:00:00:0$number,romfile=" \
		-serial "file:$log/$vm.console" -pidfile "$lab/$vm.pid" -daemonize \
		>"$log/$vm.qemu" 2>&1 || fail "$vm did not start: $(tail -n 1 "$log/$vm.qemu")"
}

wait_for() {
	local vm=$1 deadline=$((SECONDS + patience))
	until in_vm "$vm" true 2>"$log/$vm.ssh"; do
		[ -n "$(pid_of "$vm")" ] || fail "$vm has died: see $log/$vm.console"
		[ "$SECONDS" -lt "$deadline" ] ||
			fail "$vm does not answer after $patience s: see $log/$vm.console and $log/$vm.ssh"
		sleep 1
	done
}

push() {
	local stage vm
	stage=$(mktemp -d)
	mkdir "$stage/bin"
	strip -o "$stage/bin/cotenant" "$program"
	for vm in vm1 vm2; do
		tar -C "$stage" -c bin -C "$root" scripts suites |
			in_vm "$vm" "mkdir -p /opt/cotenant /usr/local/bin && tar -C /opt/cotenant -x --no-same-owner &&
				ln -sf /opt/cotenant/bin/cotenant /usr/local/bin/cotenant"
	done
	rm -rf "$stage"
}

# Both machines set up their side of the link at the same time.
set_up_network() {
	local vm failed=
	for vm in vm1 vm2; do
		in_vm "$vm" "sh -x /opt/cotenant/scripts/lab/guest/network.sh $vm" >"$log/$vm.network" 2>&1 &
	done
	for vm in vm1 vm2; do
		wait -n || failed=yes
	done
	[ -z "$failed" ] || fail "the data network could not be set up: $(tail -qn 2 "$log"/vm?.network)"
	in_vm vm1 "sh /opt/cotenant/scripts/lab/guest/await.sh" >"$log/vm1.await" 2>&1 ||
		fail "the functions have no connection: $(tail -n 1 "$log/vm1.await")"
}

up() {
	local tool ports begin=$SECONDS
	[ -z "$(pid_of vm1)$(pid_of vm2)" ] || fail "the lab is up already: lab.sh down ends it" 2
	for tool in qemu-system-x86_64 mmdebstrap genext2fs busybox cpio depmod ssh ssh-keygen; do
		command -v "$tool" >/dev/null || fail "there is no $tool: run scripts/setup.sh --lab"
	done
	qemu-system-x86_64 -device help 2>&1 | grep '"igb"' >/dev/null ||
		fail "this QEMU has no igb, which came with 8.0: run scripts/setup.sh --lab"
	mkdir -p "$log"
	image=$("$here/image.sh")
	mktemp -d /tmp/cotenant-lab.XXXXXX >"$sockets_file"
	mapfile -t ports < <(free_ports 2)
	printf '%s\n' "${ports[@]}" | write_ssh_config
	trap 'down' ERR EXIT
	boot vm1 1 "${ports[0]}" server=on
	boot vm2 2 "${ports[1]}" server=off
	wait_for vm1
	wait_for vm2
	echo "lab: both machines answer after $((SECONDS - begin)) s" >&2
	push
	set_up_network
	trap - ERR EXIT
	echo "lab: up after $((SECONDS - begin)) s; ssh -F $config vm1" >&2
}

# ---- the rest ----

down() {
	local vm pid tries
	trap - ERR EXIT
	for vm in vm1 vm2; do
		[ ! -S "$(sockets)/$vm" ] || ssh -F "$config" -O exit "$vm" 2>/dev/null || true
		pid=$(pid_of "$vm")
		[ -z "$pid" ] || kill "$pid"
		tries=0
		while [ -n "$(pid_of "$vm")" ] && [ "$tries" -lt 50 ]; do
			sleep 0.1
			tries=$((tries + 1))
		done
		[ -z "$(pid_of "$vm")" ] || kill -9 "$pid"
		rm -f "$lab/$vm.pid"
	done
	case $(sockets) in
	/tmp/cotenant-lab.*) rm -rf "$(sockets)" ;;
	esac
	rm -f "$sockets_file"
}

status() {
	local vm pid running=
	for vm in vm1 vm2; do
		pid=$(pid_of "$vm")
		if [ -n "$pid" ]; then
			echo "$vm: process $pid, ssh -F $config $vm"
			running=yes
		else
			echo "$vm: not running"
		fi
	done
	[ -n "$running" ] || exit 3
}

case ${1:-} in
up | down | push | status)
	[ $# -eq 1 ] || fail "$1 takes no words" 2
	"$1"
	;;
ssh)
	[ $# -ge 2 ] || fail "which machine, vm1 or vm2?" 2
	shift
	exec ssh -F "$config" "$@"
	;;
-h | --help) usage ;;
*) fail "say up, down, status, ssh or push: see lab.sh --help" 2 ;;
esac
