/** How each component of the control plane is started: its credentials and its argv. */
import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import {
  type Authority,
  type KeyPair,
  makeAuthority,
  makeClientPair,
  makeServerPair,
  makeSigningPair,
} from "./certificates.ts";

const serviceCidr = "10.96.0.0/16";
/** The `kubernetes` Service: the first address of the Service range. */
const kubernetesServiceIp = "10.96.0.1";

export interface Credentials {
  readonly server: KeyPair;
  readonly admin: KeyPair;
  readonly controllerManager: KeyPair;
  readonly scheduler: KeyPair;
  readonly serviceAccounts: KeyPair;
  readonly frontProxy: FrontProxy;
}

/** With what kube-apiserver shows itself to extension servers: an authority of its own, that signs nothing else. */
interface FrontProxy {
  readonly authority: Authority;
  readonly client: KeyPair;
}

/** Certificates for all components; kube-apiserver's is good for the usual names, and for `hosts`. */
export async function makeCredentials(authority: Authority, hosts: readonly string[]): Promise<Credentials> {
  const names = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "localhost",
    "127.0.0.1",
    kubernetesServiceIp,
  ];
  const [server, admin, controllerManager, scheduler, serviceAccounts, frontProxy] = await Promise.all([
    makeServerPair(authority, "kube-apiserver", [...new Set([...names, ...hosts])]),
    makeClientPair(authority, "admin", { user: "admin", groups: ["system:masters"] }),
    makeClientPair(authority, "controller-manager", { user: "system:kube-controller-manager" }),
    makeClientPair(authority, "scheduler", { user: "system:kube-scheduler" }),
    makeSigningPair(authority.folder, "service-accounts"),
    makeFrontProxy(join(authority.folder, "front-proxy")),
  ]);
  return { server, admin, controllerManager, scheduler, serviceAccounts, frontProxy };
}

export interface ComponentInputs {
  readonly folder: string;
  readonly binaries: Binaries;
  readonly authority: Authority;
  readonly credentials: Credentials;
  readonly address: string;
  readonly port: number;
  /** Kubeconfig paths. */
  readonly controllers: string;
  readonly scheduler: string;
}

export interface Component {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

/** What to start, in order: `api` alone, or `all`. */
export function componentArgv(inputs: ComponentInputs): Record<"api" | "all", readonly Component[]> {
  const etcd = { name: "etcd", argv: etcdArgv(inputs) };
  const apiOnly: Component = {
    name: "kube-apiserver",
    argv: [...apiServerArgv(inputs), "--disable-admission-plugins=ServiceAccount"],
  };
  const apiServer = { name: "kube-apiserver", argv: apiServerArgv(inputs) };
  return {
    api: [etcd, apiOnly],
    all: [
      etcd,
      apiServer,
      { name: "kube-controller-manager", argv: controllerManagerArgv(inputs) },
      { name: "kube-scheduler", argv: schedulerArgv(inputs) },
    ],
  };
}

// --- internal ---

const frontProxyName = "front-proxy-client";

async function makeFrontProxy(folder: string): Promise<FrontProxy> {
  const authority = await makeAuthority(folder);
  return { authority, client: await makeClientPair(authority, frontProxyName, { user: frontProxyName }) };
}

/**
 * etcd listens on unix sockets only: no port to clash on, and nobody else can reach it. It wants HOST:PORT even there,
 * and takes the whole as the name of a socket in its working folder.
 */
function etcdArgv({ folder, binaries }: ComponentInputs): Component["argv"] {
  const peer = "unix://etcd-peer:1";
  return [
    binaries.etcd,
    "--name=lab",
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${etcdUrl(folder)}`,
    "--advertise-client-urls=unix://etcd:1",
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=lab=${peer}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

function etcdUrl(folder: string): string {
  return `unix://${join(folder, "etcd.sock")}`;
}

function apiServerArgv(inputs: ComponentInputs): Component["argv"] {
  const { folder, binaries, authority, credentials, address, port } = inputs;
  const loopback = address === "127.0.0.1";
  return [
    binaries["kube-apiserver"],
    `--etcd-servers=${etcdUrl(folder)}`,
    `--bind-address=${loopback ? address : "0.0.0.0"}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    // The kubernetes Service cannot point at a loopback address.
    `--endpoint-reconciler-type=${loopback ? "none" : "lease"}`,
    `--service-cluster-ip-range=${serviceCidr}`,
    "--authorization-mode=Node,RBAC",
    `--client-ca-file=${authority.certificate}`,
    `--tls-cert-file=${credentials.server.certificate}`,
    `--tls-private-key-file=${credentials.server.key}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${credentials.serviceAccounts.certificate}`,
    `--service-account-signing-key-file=${credentials.serviceAccounts.key}`,
    `--requestheader-client-ca-file=${credentials.frontProxy.authority.certificate}`,
    `--requestheader-allowed-names=${frontProxyName}`,
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${credentials.frontProxy.client.certificate}`,
    `--proxy-client-key-file=${credentials.frontProxy.client.key}`,
    // For the logs of pods, and programs in them. No name of a node leads anywhere here.
    `--kubelet-certificate-authority=${authority.certificate}`,
    `--kubelet-client-certificate=${credentials.admin.certificate}`,
    `--kubelet-client-key=${credentials.admin.key}`,
    "--kubelet-preferred-address-types=InternalIP",
    // Nothing here carries a Service's address to its endpoints on kube-apiserver's behalf.
    "--enable-aggregator-routing=true",
    "--allow-privileged=true",
    "--profiling=false",
  ];
}

function controllerManagerArgv({ binaries, authority, credentials, controllers }: ComponentInputs): Component["argv"] {
  return [
    binaries["kube-controller-manager"],
    `--kubeconfig=${controllers}`,
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${credentials.serviceAccounts.key}`,
    `--root-ca-file=${authority.certificate}`,
    "--secure-port=0",
    "--leader-elect=false",
  ];
}

function schedulerArgv({ binaries, scheduler }: ComponentInputs): Component["argv"] {
  return [binaries["kube-scheduler"], `--kubeconfig=${scheduler}`, "--secure-port=0", "--leader-elect=false"];
}
