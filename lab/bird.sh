#!/usr/bin/env bash
# BIRD of one node: starts once the agent has written its configuration.
#   bird.sh [FOLDER [SECONDS]]        FOLDER (/run/margay/bird) holds bird.conf, and bird.ctl
# Asked to end (SIGTERM: the container runtime), it has BIRD leave by `graceful restart`: on a SIGTERM of its own BIRD would
# withdraw all routes at its neighbours. A preStop command may do the same before, and need not: bird-leave.sh
#
# A restarted BIRD leaves the kernel's routes alone until it has heard its neighbours; not those, though, that were restarted at
# the same time (RFC 4724, section 4.1): their routes it deletes, and writes them again a moment later. So all routes are there
# twice for SECONDS (25) after a restart, the second time with a metric by which they count only while BIRD's are away. It is
# longer than such a neighbour may take (`graceful restart wait`).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
folder=${1:-/run/margay/bird}
keep_seconds=${2:-25}
# A protocol number (/etc/iproute2/rt_protos) that is nobody else's, and a metric above BIRD's 32.
kept=(proto 233 metric 32768)
bird=
leaving=
forgetting=

leave() {
  leaving=1
  if [ -z "$bird" ]; then exit 0; fi
  # Where BIRD does not listen yet, its sudden end is to its neighbours what a graceful one is.
  "$here/bird-leave.sh" "$folder" || kill -KILL "$bird" 2>/dev/null || true
}
trap leave TERM INT

keep_routes() { # FAMILY
  # A route with several next hops is told on several lines, unless asked for one.
  ip -oneline "$1" route show proto bird type unicast |
    sed -E "s/\\\\//g; s/ (linkdown|dead)//g; s/ metric [0-9]+//; s/^(\S+)/route replace \1 ${kept[*]}/" |
    ip "$1" -force -batch - || true
}

# It ends with this process; routes that it has not removed then, the next one does.
forget_routes() {
  if [ -n "$forgetting" ]; then kill "$forgetting" 2>/dev/null || true; fi
  # shellcheck disable=SC2016 # They are expanded by the shell that is started.
  setpriv --pdeathsig KILL bash -c 'sleep "$1"; ip -4 route flush proto "$2"; ip -6 route flush proto "$2"' \
    forget "$keep_seconds" "${kept[1]}" &
  forgetting=$!
}

until [ -e "$folder/bird.conf" ]; do sleep 0.2; done
while [ -z "$leaving" ]; do
  # Routes of an earlier BIRD stay in force until the neighbours have told theirs again (-R). Without such routes there is
  # nothing to keep, and nobody to wait for.
  recover=()
  for family in -4 -6; do
    if [ -n "$(ip "$family" route show proto bird)" ]; then recover=(-R); fi
    keep_routes "$family"
  done
  forget_routes
  # It ends with this process, however that ends.
  setpriv --pdeathsig KILL bird "${recover[@]}" -f -c "$folder/bird.conf" -s "$folder/bird.ctl" &
  bird=$!
  ended=0
  # A signal interrupts the wait.
  while kill -0 "$bird" 2>/dev/null; do ended=0; wait "$bird" || ended=$?; done
  bird=
  # 0: by `graceful restart`, which the agent asks for. A supervisor would let it wait, the longer the more often it is.
  if [ "$ended" != 0 ]; then exit "$ended"; fi
done
