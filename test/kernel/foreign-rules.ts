import type { DriftNode } from "./drift-node.ts";

/** What others have on a node: twenty rule sets, sets and routes as Docker, kube-proxy, firewalld, fail2ban and people make them. */
export interface ForeignState {
  /** Everything of theirs as the programs print it: it must stay so to the byte. */
  save(): string;
}

/** Puts it there. */
export function addForeign(node: DriftNode): ForeignState {
  const { run } = node;
  for (const { table, chain, rules } of iptablesChains) {
    run("iptables", "-t", table, "-N", chain);
    for (const rule of rules) run("iptables", "-t", table, "-A", chain, ...rule.split(" "));
  }
  for (const { table, rule } of iptablesHooks) run("iptables", "-t", table, ...rule.split(" "));
  for (const [family, name, body] of nftTables)
    node.script(`nft -f - <<'END'\ntable ${family} ${name} {\n${body}\n}\nEND\n`);
  for (const lines of ipsets) node.script(`ipset restore <<'END'\n${lines}\nEND\n`);
  for (const route of routes) run("ip", ...route.split(" "));
  return { save: () => saved(node) };
}

/** How many rule sets, sets and routes they are. */
export function countForeign(): number {
  return iptablesChains.length + nftTables.length + ipsets.length + routes.length;
}

// --- internal ---

const iptablesChains: readonly { readonly table: string; readonly chain: string; readonly rules: readonly string[] }[] =
  [
    {
      table: "filter",
      chain: "DOCKER",
      rules: ["-d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 80 -j ACCEPT"],
    },
    { table: "filter", chain: "DOCKER-ISOLATION-STAGE-1", rules: ["-i docker0 ! -o docker0 -j RETURN", "-j RETURN"] },
    { table: "filter", chain: "DOCKER-USER", rules: ["-j RETURN"] },
    {
      table: "nat",
      chain: "DOCKER",
      rules: ["-i docker0 -j RETURN", "! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"],
    },
    {
      table: "nat",
      chain: "KUBE-SEP-ABCDEFGHIJKLMNOP",
      rules: ["-p tcp -m tcp -j DNAT --to-destination 192.168.2.7:53"],
    },
    {
      table: "nat",
      chain: "KUBE-SVC-ABCDEFGHIJKLMNOP",
      rules: ["-m statistic --mode random --probability 0.5 -j KUBE-SEP-ABCDEFGHIJKLMNOP"],
    },
    {
      table: "nat",
      chain: "KUBE-SERVICES",
      rules: ["-d 10.96.0.10/32 -p tcp --dport 53 -j KUBE-SVC-ABCDEFGHIJKLMNOP"],
    },
    {
      table: "nat",
      chain: "KUBE-POSTROUTING",
      rules: ["-m mark ! --mark 0x4000/0x4000 -j RETURN", "-j MASQUERADE --random-fully"],
    },
    {
      table: "filter",
      chain: "KUBE-FORWARD",
      rules: ["-m conntrack --ctstate INVALID -j DROP", "-m mark --mark 0x4000/0x4000 -j ACCEPT"],
    },
    { table: "filter", chain: "f2b-sshd", rules: ["-s 203.0.113.7/32 -j REJECT", "-j RETURN"] },
  ];

const iptablesHooks: readonly { readonly table: string; readonly rule: string }[] = [
  { table: "filter", rule: "-A FORWARD -j DOCKER-USER" },
  { table: "filter", rule: "-A FORWARD -m conntrack --ctstate NEW -j KUBE-FORWARD" },
  { table: "filter", rule: "-A INPUT -p tcp --dport 22 -j f2b-sshd" },
  { table: "nat", rule: "-A PREROUTING -j KUBE-SERVICES" },
  { table: "nat", rule: "-A POSTROUTING -j KUBE-POSTROUTING" },
];

const nftTables: readonly (readonly [family: string, name: string, body: string])[] = [
  [
    "inet",
    "firewalld",
    "chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept; ct state established accept; }",
  ],
  [
    "ip",
    "kube-proxy",
    "set cluster-ips { type ipv4_addr; elements = { 10.96.0.1, 10.96.0.10 }; }\nchain services { ip daddr @cluster-ips drop; }",
  ],
  ["ip6", "kube-proxy", "chain services { ip6 daddr fd00:96::1 drop; }"],
  [
    "inet",
    "people",
    "map ports { type inet_service : verdict; elements = { 80 : accept }; }\nchain own { tcp dport vmap @ports; }",
  ],
];

const ipsets: readonly string[] = [
  "create KUBE-LOOP-BACK hash:ip,port,ip family inet hashsize 1024 maxelem 65536\nadd KUBE-LOOP-BACK 192.168.2.7,tcp:53,192.168.2.7",
  "create f2b-nginx hash:ip family inet hashsize 1024 maxelem 65536\nadd f2b-nginx 203.0.113.9",
  "create my-cali40s hash:net family inet hashsize 1024 maxelem 65536\nadd my-cali40s 198.51.100.0/24",
];

const routes: readonly string[] = [
  "route add 10.1.0.0/16 via 172.16.0.2 dev eth0",
  "route add blackhole 192.168.1.0/26 proto bird",
  "-6 route add 2001:db8:1::/48 dev eth0 metric 77",
];

function saved({ run }: DriftNode): string {
  const foreign = (text: string, isOurs: RegExp) =>
    text
      .split("\n")
      .filter((line) => !line.startsWith("#") && !isOurs.test(line))
      // Of built-in chains, how many packets their policy has let through.
      .map((line) => line.replace(/ \[\d+:\d+\]$/, ""))
      .join("\n");
  return [
    foreign(run("iptables-save"), /cali/),
    foreign(run("ip6tables-save"), /cali/),
    ...nftTables.map(([family, name]) => run("nft", "-a", "list", "table", family, name)),
    foreign(run("ipset", "save"), / cali[46]/),
    ...["-4", "-6"].map((family) => foreign(run("ip", family, "route", "show"), / dev (cali|peer|stolen)/)),
  ].join("\n---\n");
}
