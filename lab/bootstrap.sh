#!/usr/bin/env bash
# Gets a Debian machine ready for the lab and the tests: packages, npm modules, Kubernetes and etcd programs.
# Does only what is missing, and says what it does. Under a second when all is there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
policy=/usr/sbin/policy-rc.d
policy_mark="# made by margay's lab/bootstrap.sh for the time of one installation"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

drop_our_policy() {
  if [ -f "$policy" ] && grep -qxF "$policy_mark" "$policy"; then rm -f "$policy"; fi
}

# The services of the packages must not start on this machine: invoke-rc.d asks policy-rc.d first, and 101 forbids.
forbid_services() {
  drop_our_policy # one that a killed run left
  if [ -e "$policy" ]; then
    say "keeping the $policy that is there"
    return
  fi
  trap drop_our_policy EXIT
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

missing_packages() {
  local wanted present
  wanted=$(grep -v '^#' "$root/lab/packages.txt" | sort)
  present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
  comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$present")
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || fail "cannot install ${missing[*]}: not root. Run this as root, or install them by hand."
  say "installing Debian packages: ${missing[*]}"
  forbid_services
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
    say "refreshing the package lists"
    apt-get update -q >/dev/null
    apt-get install -y -q --no-install-recommends "${missing[@]}"
  }
  drop_our_policy
}

install_modules() {
  local stamp=$root/node_modules/.package-lock.json
  if [ -f "$stamp" ] && [ ! "$root/package-lock.json" -nt "$stamp" ]; then return 0; fi
  command -v npm >/dev/null || fail "cannot install the npm modules: npm is not there. Install Node 20 or newer with npm."
  say "installing npm modules (npm ci)"
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error)
  touch "$stamp"
}

command -v apt-get >/dev/null || fail "cannot install packages: this is not a Debian machine (no apt-get)."
install_packages
install_modules
exec "$root/node_modules/.bin/node" "$root/lab/setup.ts"
