#!/usr/bin/env bash
# Runs kubelet once containerd answers and has the lab's images: nothing here can be pulled.
#   kubelet.sh ARCHIVE IMAGE ARGV…      ARCHIVE holds all images; IMAGE is one of them, there when all are
set -euo pipefail
archive=$1
image=$2
shift 2
images() { ctr --namespace k8s.io images "$@"; }
until images list --quiet >/dev/null 2>&1; do sleep 0.1; done
if [ -z "$(images list --quiet "name==$image")" ]; then images import "$archive"; fi
# containerd's CRI takes an image up when it has marked it.
until images list "name==$image" | grep -q io.cri-containerd.image=managed; do sleep 0.1; done
exec "$@"
