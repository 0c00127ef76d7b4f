#!/usr/bin/env bash
# A node's first steps, in fresh pid, mount, uts and network namespaces: mounts of its own over the machine's root, its
# host name, then its daemons, each in a restart loop.
#   node-init.sh FOLDER NAME
# FOLDER/daemons/DAEMON holds a daemon's argv, NUL-separated; FOLDER/daemons/DAEMON.stopped keeps it from being started.
# FOLDER/disk outlives the node's power-off, the rest of what it writes does not.
set -euo pipefail
folder=$1
name=$2
own=(/etc/cni /opt/cni /var/lib/cni /var/lib/calico /var/lib/margay /var/log/margay)
# containerd and kubelet keep more.
if [ -d "$folder/kubelet" ]; then own+=(/var/lib/containerd /var/lib/kubelet /var/log/pods /var/log/containers); fi

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mount --make-shared /run
mkdir -p /run/margay/bird /run/netns /run/lock
touch /run/xtables.lock

# The machine may lack these folders: a layer over their parents gives them a place without touching the machine.
for parent in /etc /opt /var/lib /var/log; do
  layer=/run/margay-lab/layers$parent
  mkdir -p "$layer/upper" "$layer/work"
  mount -t overlay overlay -o "lowerdir=$parent,upperdir=$layer/upper,workdir=$layer/work" "$parent"
done
for path in "${own[@]}"; do
  mkdir -p "$folder/disk$path" "$path"
  mount --bind "$folder/disk$path" "$path"
done
mkdir -p /etc/cni/net.d /opt/cni/bin
mount --bind "$folder" "$folder"
mount -o remount,bind,ro /
mount --bind /run/netns /run/netns
mount --make-shared /run/netns
if [ -d "$folder/kubelet" ]; then "$(dirname "$0")/kubelet/mounts.sh"; fi

hostname "$name"
mkdir -p "$folder/logs" /run/tmp
export TMPDIR=/run/tmp

supervise() {
  local daemon=$1 argv
  while :; do
    if [ ! -e "$folder/daemons/$daemon.stopped" ]; then
      mapfile -d '' -t argv <"$folder/daemons/$daemon"
      MARGAY_LAB_DAEMON=$daemon "${argv[@]}" || printf 'lab: %s ended with %s\n' "$daemon" "$?"
    fi
    sleep 0.5
  done >>"$folder/logs/$daemon.log" 2>&1 </dev/null
}

for file in "$folder"/daemons/*; do
  case $file in *.stopped) ;; *) supervise "$(basename "$file")" & ;; esac
done
touch /run/margay-lab/booted
wait
