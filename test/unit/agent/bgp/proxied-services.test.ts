import { expect, test } from "vitest";
import { type ProxiedServices, proxiedByIptables, proxiedByIpvs } from "../../../../src/agent/bgp/proxied-services.ts";

const shown = (services: ProxiedServices | undefined) =>
  services && Object.fromEntries([...services].map(([ip, endpoints]) => [ip, [...endpoints]]));

/** As ip6tables-save prints it. */
const nat6 = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
-A KUBE-SEP-B -p tcp -m comment --comment "shop/web:http -j KUBE-SEP-C" -m tcp -j DNAT --to-destination [fd44::5]:8080
-A KUBE-SEP-C -p tcp -m tcp -j DNAT --to-destination [fd44::6]:8080
-A KUBE-SERVICES -d fd96::10/128 -p tcp -m comment --comment "-d fd96::11/128 -j KUBE-SEP-C" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -m comment --comment "shop/web:http -> [fd44::5]:8080" -j KUBE-SEP-B
COMMIT
`;

test("rules of IPv6 are followed to their endpoints, whatever their comments say", () => {
  expect(shown(proxiedByIptables(nat6))).toEqual({ "fd96::10": ["fd44::5"] });
});

test("chains that lead in a ring come to an end", () => {
  const ring = `${nat6}-A KUBE-SEP-B -j KUBE-SVC-A\n`;
  expect(shown(proxiedByIptables(ring))).toEqual({ "fd96::10": ["fd44::5"] });
});

test("where kube-proxy has no chain it is not there, and an address that it does not lead to an endpoint has none", () => {
  expect(proxiedByIptables("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n")).toBeUndefined();
  expect(proxiedByIptables("")).toBeUndefined();
  const bare = ":KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -j KUBE-SVC-Z\n";
  expect(shown(proxiedByIptables(bare))).toEqual({ "10.96.0.1": [] });
});

test("IPVS' table tells virtual servers and their real ones, in both families", () => {
  const text = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A60000A:0050 rr
  -> 0AF40105:1F90      Masq    1      0          0
  -> 0AF40205:1F90      Masq    1      0          0
UDP  0A60000A:0035 rr
TCP  [fd96:0000:0000:0000:0000:0000:0000:0010]:0050 rr
  -> [fd44:0000:0000:0000:0000:0000:0000:0005]:1F90 Masq 1 0 0
`;
  expect(shown(proxiedByIpvs(text))).toEqual({ "10.96.0.10": ["10.244.1.5", "10.244.2.5"], "fd96::10": ["fd44::5"] });
  expect(proxiedByIpvs("")).toBeUndefined();
});
