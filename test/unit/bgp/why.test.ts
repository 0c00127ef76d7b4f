import { describe, expect, test } from "vitest";
import { parseBgpSide } from "../../../src/api/bgp-probe.ts";
import type { Evidence } from "../../../src/bgp/why/evidence.ts";
import { explain } from "../../../src/bgp/why/explain.ts";
import { downEvidence, type EndWords, evidenceOf, heard, now, silentProbe } from "./why-evidence.ts";

const client = { connection: { isClient: true, unacknowledged: 0, backoff: 0, sendQueueBytes: 0, receivedMsAgo: 9 } };
const stuck = { connection: { ...client.connection, isClient: false, unacknowledged: 2, backoff: 3 } };
const nothing: EndWords = { session: { wanted: undefined, observed: undefined, probe: undefined } };
const cut = { side: undefined, session: undefined } as const;

describe("while nothing is the matter", () => {
  test("the session is up, since when, and with how much", () => {
    expect(explain(evidenceOf()).sentence).toBe(
      "node-1 and node-2 peer: session Mesh_172_18_1_3 is up for 5 min, 2 routes taken and 1 given by node-1",
    );
    expect(explain(evidenceOf()).kind).toBe("up");
  });

  test("what is known from the other end alone is enough", () => {
    const { there, here } = evidenceOf();
    expect(explain({ here: { ...here, ...cut, silence: "it is off" }, there }).kind).toBe("up");
  });

  test("a port that is closed in the direction nobody connects is no fault", () => {
    expect(explain(evidenceOf({ probe: silentProbe }, { session: client })).kind).toBe("up");
  });

  test("a session that began a moment ago is about to come up", () => {
    const young = { observed: { state: "Active", since: now - 5_000 } } as const;
    expect(explain(downEvidence(young)).kind).toBe("starting");
  });
});

/** Each with what decides, and what the sentence must say. */
const cases: readonly (readonly [string, Evidence, string, RegExp])[] = [
  ["BIRD is away", downEvidence({}, { side: { daemon: "not running" } }), "daemon", /BIRD does not run on node-2/],
  [
    "BIRD is away, and its routes are kept",
    evidenceOf({ observed: { neighborRestarts: true } }, { side: { daemon: "not running" } }),
    "daemon",
    /node-1 keeps its routes meanwhile/,
  ],
  [
    "BIRD is mute",
    downEvidence({ side: { daemon: "unknown", daemonText: "no answer in 5000 ms" } }),
    "daemon",
    /BIRD on node-1 does not answer its agent \(no answer in 5000 ms\)/,
  ],
  [
    "a neighbour restarts",
    evidenceOf({ observed: { neighborRestarts: true } }),
    "restarting",
    /BIRD on node-2 restarts, and node-1 keeps its routes/,
  ],
  [
    "a node has no address",
    downEvidence({}, { side: { routerId: undefined } }),
    "no-address",
    /the Node object of node-2 has no address/,
  ],
  [
    "a peer was rejected",
    downEvidence(
      {
        ...nothing,
        side: {
          rejected: [{ kind: "BGPPeer", name: "rack", reason: "Cannot peer with 172.18.1.3: asNumber is missing" }],
        },
      },
      nothing,
    ),
    "rejected",
    /BGPPeer rack is not used on node-1: Cannot peer with 172\.18\.1\.3: asNumber is missing; correct BGPPeer rack/,
  ],
  [
    "a peer with a longer address was rejected: it is another",
    downEvidence(
      {
        ...nothing,
        side: {
          rejected: [{ kind: "BGPPeer", name: "rack", reason: "Cannot peer with 172.18.1.31: asNumber is missing" }],
        },
      },
      nothing,
    ),
    "not-wanted",
    /no session between them is asked for/,
  ],
  [
    "the mesh is off",
    downEvidence({ ...nothing, side: { isMeshEnabled: false } }, nothing),
    "not-wanted",
    /mesh is switched off \(BGPConfiguration default, nodeToNodeMeshEnabled: false\)/,
  ],
  [
    "a session is kept in transition",
    evidenceOf({ session: { wanted: undefined, kept: true } }),
    "kept",
    /node-1 keeps session Mesh_172_18_1_3 \(Established\), which is not wanted any more/,
  ],
  [
    "a password is missing",
    downEvidence({ wanted: { held: "Secret bgp/mesh is missing" } }),
    "held",
    /node-1 holds it down: Secret bgp\/mesh is missing/,
  ],
  [
    "only one end wants it",
    downEvidence({}, nothing),
    "one-sided",
    /only node-1 wants it \(Mesh_172_18_1_3\); node-2 has no session with 172\.18\.1\.2/,
  ],
  [
    "AS numbers differ",
    downEvidence({}, { wanted: { localAs: 64_513 } }),
    "as",
    /node-2 has AS 64513, and node-1 expects 64512/,
  ],
  [
    "router IDs are the same",
    downEvidence({}, { side: { routerId: "172.18.1.2" } }),
    "router-id",
    /both have router ID 172\.18\.1\.2/,
  ],
  [
    "one end has a password",
    downEvidence({ wanted: { keyed: true } }),
    "password",
    /node-1 has a password for session Mesh_172_18_1_3, and node-2 has none/,
  ],
  [
    "one end checks the TTL",
    downEvidence({ wanted: { ttlSecurityHops: 1 } }),
    "ttl",
    /node-1 takes only packets of at most 1 hops/,
  ],
  [
    "an interface is down",
    downEvidence({ probe: { holder: { interface: "eth0", up: false, mac: "" } } }),
    "address",
    /interface eth0 of node-1, which has its BGP address, is down/,
  ],
  [
    "the own firewall drops",
    downEvidence({ probe: { ...silentProbe, syn: { outcome: "forbidden", bytes: 44 } } }),
    "own-rules",
    /node-1's own firewall drops/,
  ],
  [
    "a gateway is away",
    {
      ...downEvidence({
        probe: {
          ...silentProbe,
          route: { kind: "unicast", interface: "eth0", gateway: "172.18.1.1" as never },
          nextHop: { ip: "172.18.1.1" as never, state: "FAILED" },
        },
      }),
      there: { ...evidenceOf().there, ...cut, silence: "no answer" },
    },
    "no-route",
    /gateway 172\.18\.1\.1, by which node-1 reaches 172\.18\.1\.3, does not answer on eth0/,
  ],
  [
    "a firewall says no",
    downEvidence({ probe: { ...silentProbe, syn: { outcome: "unreachable", code: "ECONNREFUSED", bytes: 44 } } }),
    "filtered",
    /a firewall on the way answers node-1/,
  ],
  [
    "ports differ",
    downEvidence({ probe: { ...silentProbe, syn: { outcome: "refused", bytes: 44 } } }, { side: { listenPort: 1790 } }),
    "refused",
    /node-1 looks for node-2 at port 179, and it listens on 1790/,
  ],
  [
    "nothing arrives either way",
    downEvidence({ probe: silentProbe }, { probe: silentProbe }),
    "filtered",
    /no packet on TCP port 179 arrives in either direction, although ICMP gets through/,
  ],
  [
    "only answers are lost",
    downEvidence({ probe: { ...silentProbe, heard } }, { probe: { ...silentProbe, heard } }),
    "filtered",
    /opening packets to TCP port 179 arrive at both ends, and the answers do not/,
  ],
  [
    "an established session waits in vain",
    evidenceOf(
      { probe: { ...silentProbe, heard }, session: undefined as never },
      { probe: silentProbe, session: stuck },
    ),
    "one-way",
    /what node-1 sends to node-2 on TCP port 179 gets lost/,
  ],
  [
    "there is no route",
    downEvidence({ probe: { ...silentProbe, route: { kind: "none" } } }),
    "no-route",
    /node-1 has no route to 172\.18\.1\.3/,
  ],
  [
    "an address of the wrong interface",
    downEvidence({ probe: silentProbe }, { probe: { ...silentProbe, route: { kind: "unicast", interface: "eth1" } } }),
    "address",
    /node-2 speaks from 172\.18\.1\.3 of interface eth0, but reaches node-1 by eth1/,
  ],
  [
    "big packets vanish before it is up",
    downEvidence({ probe: { bigSyn: { outcome: "silent", bytes: 1500 } } }),
    "mtu",
    /packets of 1500 bytes from node-1 do not arrive at node-2/,
  ],
  [
    "it is too far away",
    downEvidence(
      { wanted: { ttlSecurityHops: 1 }, probe: { heard: { ...heard, ttl: 253 } } },
      { wanted: { ttlSecurityHops: 1 } },
    ),
    "ttl",
    /arrive at node-1 with TTL 253, and TTL security of 1 hops takes at least 255; set ttlSecurity to 3/,
  ],
  [
    "a stranger may check the TTL",
    {
      ...downEvidence({ probe: { heard: { ...heard, ttl: 255 } } }),
      there: { ...downEvidence().there, ...cut, isNode: false, name: "172.18.1.3" },
    },
    "ttl",
    /172\.18\.1\.3 sends with TTL 255, as TTL security asks, and node-1 does not/,
  ],
  [
    "big packets vanish on the way back",
    evidenceOf({}, { probe: { bigSyn: { outcome: "silent", bytes: 1500 } } }),
    "mtu",
    /packets of 1500 bytes from node-2 do not arrive at node-1/,
  ],
  [
    "the hold timer ran out",
    downEvidence({ errors: ["BGP Error: Hold timer expired"] }),
    "told",
    /node-1 has heard nothing of node-2 for the hold time/,
  ],
  [
    "the other end took too many prefixes",
    downEvidence({}, { errors: ["Received: Maximum number of prefixes reached", "Socket: Connection closed"] }),
    "max-prefix",
    /node-1 has ended it, as node-2 announces more prefixes than node-1 takes/,
  ],
  [
    "somebody has shut it down",
    downEvidence({ errors: ["Received: Administrative shutdown"] }),
    "told",
    /somebody has shut it down on node-2/,
  ],
  [
    "connections collide again and again",
    downEvidence({ errors: Array(4).fill("Received: Connection collision resolution") }),
    "collision",
    /both open connections at once, and each time both are given up \(4 times/,
  ],
  [
    "an error that has no rule",
    downEvidence({ observed: { lastError: "Received: Finite state machine error" } }),
    "told",
    /BIRD on node-1 says: Received: Finite state machine error/,
  ],
  [
    "nothing was found",
    downEvidence(
      { observed: { state: "Active", since: now - 90_000 } },
      { observed: { state: "Active", since: now - 90_000 } },
    ),
    "unknown",
    /no reason was found: packets get through both ways/,
  ],
];

describe("each cause by itself", () => {
  test.each(cases)("%s", (_name, evidence, kind, sentence) => {
    const cause = explain(evidence);
    expect({ kind: cause.kind, sentence: cause.sentence }).toEqual({ kind, sentence: expect.stringMatching(sentence) });
    expect(cause.sentence).not.toMatch(/undefined|\n/);
    expect(cause.details.join()).not.toMatch(/undefined/);
  });

  test("one address with two interfaces of a node is no duplicate", () => {
    const other = "02:00:00:00:00:44";
    const flux = { probe: { ...silentProbe, nextHop: { ip: "172.18.1.3" as never, state: "REACHABLE", mac: other } } };
    const named = (macs: readonly string[]) => explain(downEvidence(flux, { probe: { ...silentProbe, macs } })).kind;
    expect(named(["02:00:00:00:00:03"])).toBe("duplicate-address");
    expect(named(["02:00:00:00:00:03", other])).not.toBe("duplicate-address");
  });

  test("an end that says nothing is told of when nothing else is found", () => {
    const { here, there } = downEvidence();
    const cause = explain({ here, there: { ...there, ...cut, silence: "its Lease names no endpoint" } });
    expect(cause.kind).toBe("agent");
    expect(cause.sentence).toContain("nothing is known from node-2 (its Lease names no endpoint)");
  });
});

describe("of several causes the one that makes the others say less", () => {
  const dropped = { probe: silentProbe } as const;

  test.each<[string, EndWords, EndWords, string]>([
    [
      "a dead BIRD before a closed port",
      { probe: { ...silentProbe, syn: { outcome: "refused", bytes: 44 } } },
      { side: { daemon: "not running" } },
      "daemon",
    ],
    [
      "a held session before lost packets",
      { ...dropped, wanted: { held: "Secret bgp/mesh is missing" } },
      dropped,
      "held",
    ],
    ["an AS that cannot fit before lost packets", dropped, { ...dropped, wanted: { localAs: 1 } }, "as"],
    [
      "no address before lost packets",
      dropped,
      { probe: { ...silentProbe, holder: undefined, syn: { outcome: "no source", bytes: 0 } } },
      "address",
    ],
    [
      "a taken port before a refused connection",
      { probe: { ...silentProbe, syn: { outcome: "refused", bytes: 44 } } },
      { probe: { listeners: [{ program: "gobgpd", pid: 7 }] } },
      "port-in-use",
    ],
    [
      "another signature before lost packets",
      { ...dropped, wanted: { keyed: true } },
      {
        wanted: { keyed: true },
        probe: { ...silentProbe, heard: { packets: 3, md5: { none: 0, right: 0, wrong: 3 } } },
      },
      "password",
    ],
    [
      "lost packets before an error of long ago",
      { ...dropped, errors: ["BGP Error: Hold timer expired"] },
      dropped,
      "filtered",
    ],
    [
      "a limit of prefixes before a closed port",
      {
        probe: { ...silentProbe, syn: { outcome: "refused", bytes: 44 } },
        errors: ["Received: Maximum number of prefixes reached"],
      },
      {},
      "max-prefix",
    ],
  ])("%s", (_name, here, there, kind) => {
    expect(explain(downEvidence(here, there)).kind).toBe(kind);
  });

  test("an error from before the session was last up is past", () => {
    const error = { at: now - 60_000, kind: "error", text: "Received: Maximum number of prefixes reached" } as const;
    const up = { at: now - 50_000, kind: "state", text: "up", to: "Established" } as const;
    const old = { since: now - 40_000, state: "Active" } as const;
    const kindAfter = (history: readonly (typeof error | typeof up)[]) =>
      explain(downEvidence({ observed: old, session: { ...downEvidence().here.session, history } }, { observed: old }))
        .kind;
    expect(kindAfter([error])).toBe("max-prefix");
    expect(kindAfter([error, up])).not.toBe("max-prefix");
  });
});

test("what an agent answers can be read back", () => {
  const { side } = evidenceOf({ errors: ["BGP Error: Bad peer AS"] }).here;
  const text = JSON.stringify(side);
  expect(parseBgpSide(JSON.parse(text))).toEqual(JSON.parse(text));
  expect(() => parseBgpSide({ ...side, daemon: "asleep" })).toThrow(/daemon/);
});
