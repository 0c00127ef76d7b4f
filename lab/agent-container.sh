#!/usr/bin/env bash
# Runs the agent, or another container of its DaemonSet, as it would: in a mount namespace that holds the machine's root, read-only, as image, and just
# the mounts of the DaemonSet. Started under `unshare --mount --propagation slave`.
#   agent-container.sh KEEP… -- ARGV…        KEEP: paths that stand for the image's own content
set -euo pipefail
keep=()
while [ "$1" != -- ]; do keep+=("$1"); shift; done
shift

base=/run/margay-lab/$MARGAY_LAB_DAEMON
rm -rf "$base"
mkdir -p "$base/upper" "$base/work" "$base/image"
image=$base/image
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$image"

bind() { # PATH OPTIONS…
  local path=$1
  shift
  if [ -d "$path" ]; then mkdir -p "$image$path"; else mkdir -p "$(dirname "$image$path")" && touch "$image$path"; fi
  mount "$@" --bind "$path" "$image$path"
}

# What the container runtime gives every container; hostPID and host network make proc and sys the node's.
mount -t tmpfs -o mode=755 tmpfs "$image/run"
mount -t proc proc "$image/proc"
mount --bind "$image/proc/sys" "$image/proc/sys"
mount -o remount,bind,ro "$image/proc/sys"
mount -t sysfs -o ro sysfs "$image/sys"
mount --rbind /dev "$image/dev"
for path in "${keep[@]}"; do bind "$path" -o ro; done

# The DaemonSet's own.
bind /proc/sys/net
bind /run/margay
bind /run/xtables.lock
# Recursive: the pods' namespaces are mounts below it, and those of before this start must be there too.
mkdir -p "$image/run/netns"
mount --rbind /run/netns "$image/run/netns"
mount --make-rslave "$image/run/netns"
bind /etc/cni/net.d
bind /opt/cni/bin
bind /var/lib/margay
bind /var/lib/calico
bind /var/log/margay

mount -o remount,bind,ro "$image"
mkdir -p /run/margay/tmp
export TMPDIR=/run/margay/tmp
cd "$image"
pivot_root . .
umount -l .
cd /
exec "$@"
