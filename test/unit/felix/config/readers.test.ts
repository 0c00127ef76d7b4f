import { expect, test } from "vitest";
import type { FelixSettings } from "../../../../src/felix/config/felix-settings.ts";
import { fieldOf, localNames } from "../../../../src/felix/config/parameters.ts";
import { resolveSettings } from "../../../../src/felix/config/resolve-settings.ts";
import { parseIp } from "../../../../src/net/ip.ts";

type Setting = keyof FelixSettings;

/** What a text in the environment, and the same in the file, makes of a setting. */
function fromText(setting: Setting, text: string) {
  const name = localNames[fieldOf(setting)] ?? fieldOf(setting);
  const results = [
    resolveSettings({ environment: { [`FELIX_${name.toUpperCase()}`]: text }, objects: {} }),
    resolveSettings({ environment: {}, file: `[global]\n${name} = ${text}\n`, objects: {} }),
  ];
  const [first, second] = results.map(({ settings, problems }) => ({ value: settings[setting], problems }));
  expect(first?.value).toEqual(second?.value);
  expect(first?.problems.length).toBe(second?.problems.length);
  return first;
}

test.each<[Setting, string, unknown]>([
  ["ipv6Support", "no", false],
  ["ipv6Support", "F", false],
  ["ipv6Support", "none", false],
  ["healthEnabled", "T", true],
  ["healthEnabled", "1", true],
  ["healthPort", "0x2000", 8192],
  ["healthPort", "010", 8],
  ["healthPort", "0b11", 3],
  ["healthPort", "none", 0],
  ["deviceRouteProtocol", "80", 80],
  ["maxIpsetSize", "0o17", 15],
  ["vxlanPort", "8472", 8472],
  ["ipv4NormalRoutePriority", "100", 100],
  ["routeRefreshIntervalMs", "1.5", 1500],
  ["routeRefreshIntervalMs", ".5", 500],
  ["routeRefreshIntervalMs", "0", 0],
  ["routeRefreshIntervalMs", "none", 0],
  ["routeRefreshIntervalMs", "1m30s", 90_000],
  ["netlinkTimeoutMs", "3", 3000],
  ["netlinkTimeoutMs", "250ms", 250],
  ["iptablesPostWriteCheckIntervalMs", "0", 0],
  ["iptablesBackend", "nft", "nft"],
  ["iptablesBackend", "LEGACY", "legacy"],
  ["nftablesMode", "enabled", "enabled"],
  ["chainInsertMode", "APPEND", "append"],
  ["defaultEndpointToHostAction", "return", "return"],
  ["iptablesFilterDenyAction", "reject", "reject"],
  ["serviceLoopPrevention", "none", "disabled"],
  ["floatingIPs", "Enabled", true],
  ["workloadSourceSpoofing", "any", "any"],
  ["natOutgoingExclusions", "IPPoolsAndHostIPs", "pools-and-hosts"],
  ["policyChangeConnections", "end", "end"],
  ["logSeverityScreen", "Warning", "warn"],
  ["logSeverityScreen", "none", "silent"],
  ["iptablesMarkMask", "0xff", 255],
  ["nftablesMarkMask", "4278190080", 0xff000000],
  ["logPrefix", "%t: %n", "%t: %n"],
  ["logPrefix", "none", ""],
  ["logActionRateLimit", "10/hour", { packets: 10, unit: "hour" }],
  ["logActionRateLimit", "none", undefined],
  ["interfaceExclude", "/^kube/,veth1", [{ pattern: /^kube/ }, { name: "veth1" }]],
  ["interfaceExclude", "none", []],
  ["interfacePrefix", "cal", "cal"],
  ["mtuIfacePattern", "^bond[0-9]$", /^bond[0-9]$/],
  ["iptablesNATOutgoingInterfaceFilter", "eth+", "eth+"],
  ["natOutgoingAddress", "192.0.2.7", parseIp("192.0.2.7")],
  ["deviceRouteSourceAddressIPv6", "2001:DB8::1", parseIp("2001:db8::1")],
  ["natPortRange", "32768:65535", { first: 32_768, last: 65_535 }],
  ["natPortRange", "5000", { first: 5000, last: 5000 }],
  ["failsafeInboundHostPorts", "none", []],
  [
    "failsafeInboundHostPorts",
    "22, UDP:53,tcp:10.0.0.9/8:80,sctp:[2001:db8::1/32]:7,tcp:192.0.2.1:9",
    [
      { protocol: "tcp", port: 22 },
      { protocol: "udp", port: 53 },
      { protocol: "tcp", port: 80, net: "10.0.0.0/8" },
      { protocol: "sctp", port: 7, net: "2001:db8::/32" },
      { protocol: "tcp", port: 9, net: "192.0.2.1/32" },
    ],
  ],
  [
    "healthTimeoutOverrides",
    "dataplane=90s, InternalDataplaneMainLoop=1m",
    new Map([
      ["dataplane", 90_000],
      ["InternalDataplaneMainLoop", 60_000],
    ]),
  ],
  ["healthHost", "0.0.0.0", "0.0.0.0"],
  ["prometheusMetricsHost", "none", ""],
])("%s of %j is %j", (setting, text, expected) => {
  expect(fromText(setting, text)).toEqual({ value: expected, problems: [] });
});

test.each<[Setting, string, string]>([
  ["ipv6Support", "maybe", "it must be one of"],
  ["healthPort", "70000", "a whole number from 0 to 65535"],
  ["healthPort", "1.5", "a whole number"],
  ["healthPort", "-1", "a whole number"],
  ["healthPort", "089", "a whole number"],
  ["deviceRouteProtocol", "256", "from 0 to 255"],
  ["maxIpsetSize", "none", "it cannot be none"],
  ["ipv6NormalRoutePriority", "0", "from 1 to 2147483646"],
  ["routeRefreshIntervalMs", "-1", "a time such as 90s"],
  ["routeRefreshIntervalMs", "soon", "a time such as 90s"],
  ["netlinkTimeoutMs", "0", "more than 0"],
  ["deviceRouteProtocol", "2", "must not be 2"],
  ["iptablesNATOutgoingInterfaceFilter", "fifteen-letters+", "name of an interface"],
  ["netlinkTimeoutMs", "none", "it cannot be none"],
  ["chainInsertMode", "none", "it cannot be none"],
  ["defaultEndpointToHostAction", "reject", "it must be one of Drop, Return, Accept"],
  ["iptablesMarkMask", "0x7f", "at least 8 bits"],
  ["iptablesMarkMask", "0x1ffffffff", "from 0 to 4294967295"],
  ["nftablesMarkMask", "none", "it cannot be none"],
  ["logPrefix", 'x";drop', "letters, digits"],
  ["logActionRateLimit", "0/second", "such as 10/second"],
  ["logActionRateLimitBurst", "10000", "from 0 to 9999"],
  ["interfaceExclude", "a b", "name of an interface"],
  ["interfaceExclude", "/(/", "a regular expression"],
  ["interfacePrefix", "tap", "named cali"],
  ["interfacePrefix", "cali,tap", "named cali"],
  ["mtuIfacePattern", "(", "a regular expression"],
  ["iptablesNATOutgoingInterfaceFilter", "eth0 eth1", "the name of an interface"],
  ["natOutgoingAddress", "2001:db8::1", "an IPv4 address"],
  ["natPortRange", "9:8", "a range such as 80:90"],
  ["natPortRange", "ssh", "a range such as 80:90"],
  ["natPortRange", "65536", "from 0 to 65535"],
  ["failsafeInboundHostPorts", "icmp:8", "tcp, udp or sctp"],
  ["failsafeInboundHostPorts", "tcp:999.0.0.0/8:1", "must be a network"],
  ["failsafeInboundHostPorts", "tcp:", "each must be such as"],
  ["healthTimeoutOverrides", "felix", "such as name=90s"],
  ["healthHost", "a b", "an address, or a name"],
])("%s cannot be %j: %s", (setting, text, sentence) => {
  const builtIn = resolveSettings({ environment: {}, objects: {} }).settings[setting];
  const read = fromText(setting, text);
  expect(read?.value).toEqual(builtIn);
  expect(read?.problems).toEqual([expect.stringContaining(sentence)]);
  expect(read?.problems[0]).toMatch(/; the default counts\.$/);
});
