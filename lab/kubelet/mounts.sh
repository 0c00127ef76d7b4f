#!/usr/bin/env bash
# What a node with containerd and kubelet has mounted beside what every node has.
set -euo pipefail

# The hierarchies of the node's own cgroup namespace: kubelet sees its part of the machine as all there is.
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /sys/fs/cgroup
while IFS=: read -r _ controllers _; do
  case $controllers in
    '') continue ;; # the unified hierarchy
    name=*) options=none,$controllers ;;
    *) options=$controllers ;;
  esac
  mkdir "/sys/fs/cgroup/${controllers#name=}"
  mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${controllers#name=}"
done </proc/self/cgroup

# kubelet sets these for the whole machine unless they have its values: here it finds them, in files.
mkdir -p /run/margay-lab/sysctl
while read -r name value; do
  file=/run/margay-lab/sysctl/${name//\//.}
  echo "$value" >"$file"
  mount --bind "$file" "/proc/sys/$name"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

# Mounts that a pod's volumes get after its start reach it.
mount --make-shared /var/lib/kubelet
