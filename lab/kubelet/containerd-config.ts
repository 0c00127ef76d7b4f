import { pauseImage } from "./images.ts";

/** Where containerd answers, on its node. */
export const containerdSocket = "/run/containerd/containerd.sock";

/** The configuration (version 2) of containerd 1.6 as CNI client of a lab's node. */
export function containerdConfig(): string {
  return `version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "${containerdSocket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # The lab may run where no process may protect itself from the kernel's killer.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`;
}
