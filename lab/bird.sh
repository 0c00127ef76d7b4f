#!/usr/bin/env bash
# BIRD of one node: starts once the agent has written its configuration.
set -euo pipefail
folder=/run/margay/bird
until [ -e "$folder/bird.conf" ]; do sleep 0.2; done
# Routes of an earlier BIRD stay in force until the neighbours have told theirs again (-R). Without such routes there is
# nothing to keep, and nobody to wait for.
recover=()
for family in -4 -6; do
  if [ -n "$(ip "$family" route show proto bird)" ]; then recover=(-R); fi
done
exec bird "${recover[@]}" -f -c "$folder/bird.conf" -s "$folder/bird.ctl"
