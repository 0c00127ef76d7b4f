#!/usr/bin/env bash
# Has BIRD end so that its neighbours keep its routes (RFC 4724): also good as a container's preStop command.
#   bird-leave.sh [FOLDER]        FOLDER (/run/margay/bird) holds bird.ctl
# A BIRD that has just been restarted itself is waited for, up to 10 s: were it to go before it has told its routes again, its
# neighbours would drop them (section 4.2). Fails when no BIRD answers.
set -euo pipefail
control=${1:-/run/margay/bird}/bird.ctl

for _ in {1..50}; do
  status=$(birdc -s "$control" show status)
  if [[ $status != *"Graceful restart recovery in progress"* ]]; then break; fi
  sleep 0.2
done
birdc -s "$control" graceful restart
