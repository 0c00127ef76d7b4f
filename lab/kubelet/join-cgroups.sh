#!/usr/bin/env bash
# Runs a program in a directory of its own in every cgroup v1 hierarchy of the machine.
#   join-cgroups.sh NAME ARGV…
set -euo pipefail
name=$1
shift
for hierarchy in /sys/fs/cgroup/*/; do
  # Only version 1 has this file at the root; the unified hierarchy is left as it is.
  [ -e "${hierarchy}release_agent" ] || continue
  group=$hierarchy$name
  mkdir -p "$group"
  # Without processors and memory nodes a cpuset takes no process.
  for file in cpuset.cpus cpuset.mems; do
    if [ -e "$group/$file" ]; then cat "$hierarchy$file" >"$group/$file"; fi
  done
  echo "$$" >"$group/cgroup.procs"
done
exec "$@"
