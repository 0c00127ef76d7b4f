import { Counter, Gauge, type Registry } from "prom-client";
import type { BgpSession } from "../../api/bgp-query.ts";
import { sessionsOf } from "./bgp-answer.ts";
import type { BgpState } from "./bgp-state.ts";

/** Registers what a node's BGP tells of itself, for Prometheus, read anew each time that it is asked. */
export function collectBgpState(registry: Registry, read: () => BgpState): void {
  for (const { name, help, of } of sessionGauges) {
    new Gauge({
      ...{ name, help, labelNames: ["peer", "type"], registers: [registry] },
      collect() {
        this.reset();
        for (const session of sessionsOf(read())) {
          const value = of(session);
          if (value !== undefined) this.set(labelsOf(session), value);
        }
      },
    });
  }
  collectErrors(registry, read);
  counter(registry, {
    ...{ name: "margay_bgp_session_flaps_total", help: "How often an established session was lost, by peer and type." },
    values: () => sessionsOf(read()).map((session) => [labelsOf(session), session.flaps]),
  });
  counter(registry, {
    ...{ name: "margay_bgp_reconfigurations_total", help: "How often BIRD took a configuration." },
    values: () => [[{}, read().tracks.reconfigurations]],
  });
  gauge(registry, "margay_bgp_daemon_up", "1: BIRD answers on its control socket; 0: it does not.", () =>
    read().observed.daemon === undefined ? 0 : 1,
  );
  const rejected =
    "Objects that ask for something of BGP that is not configured; the log and the node's events say why.";
  gauge(registry, "margay_bgp_rejected_objects", rejected, () => read().configured?.rejected.length ?? 0);
}

// --- internal ---

/** RFC 4271 §8.2.2, in the order in which a session comes up. */
const states = ["Down", "Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];

const errorKinds = ["socket", "received", "sent", "bfd", "other"] as const;

const sessionGauges: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (session: BgpSession) => number | undefined;
}[] = [
  {
    name: "margay_bgp_session_state",
    help: "0 Down, 1 Idle, 2 Connect, 3 Active, 4 OpenSent, 5 OpenConfirm, 6 Established, by peer and type.",
    of: ({ state }) => states.indexOf(state),
  },
  {
    name: "margay_bgp_session_established_timestamp_seconds",
    help: "Since when a session is established, in seconds since 1970. Not told while it is not.",
    of: ({ state, since }) => (state === "Established" && since !== undefined ? since / 1000 : undefined),
  },
  {
    name: "margay_bgp_session_imported_routes",
    help: "Routes taken from the peer.",
    of: ({ imported }) => imported,
  },
  {
    name: "margay_bgp_session_exported_routes",
    help: "Routes given to the peer.",
    of: ({ exported }) => exported,
  },
];

type Labels = Partial<Record<string, string>>;

/** Neither what a peer or an object's author may choose freely: addresses and the four types only. */
function labelsOf({ neighbor, kind }: BgpSession): Labels {
  return { peer: neighbor, type: kind ?? "other" };
}

function collectErrors(registry: Registry, read: () => BgpState): void {
  const help = `1 for the kind of the last error of a session: ${errorKinds.join(", ")}.`;
  new Gauge({
    ...{ name: "margay_bgp_session_last_error", help, labelNames: ["peer", "type", "kind"], registers: [registry] },
    collect() {
      this.reset();
      for (const session of sessionsOf(read())) {
        if (session.lastError !== undefined)
          this.set({ ...labelsOf(session), kind: errorKindOf(session.lastError) }, 1);
      }
    },
  });
}

/** BIRD's words begin with who found the fault. */
function errorKindOf(error: string): (typeof errorKinds)[number] {
  if (error.startsWith("Socket:")) return "socket";
  if (error.startsWith("Received:")) return "received";
  if (error.startsWith("Error:")) return "sent";
  return /^BFD\b/.test(error) ? "bfd" : "other";
}

interface CounterWords {
  readonly name: string;
  readonly help: string;
  readonly values: () => readonly (readonly [Labels, number])[];
}

/** Counted elsewhere: what is gone is told no more. */
function counter(registry: Registry, { name, help, values }: CounterWords): void {
  const labelNames = name.startsWith("margay_bgp_session_") ? ["peer", "type"] : [];
  new Counter({
    ...{ name, help, labelNames, registers: [registry] },
    collect() {
      this.reset();
      for (const [labels, value] of values()) this.inc(labels, value);
    },
  });
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    ...{ name, help, registers: [registry] },
    collect() {
      this.set(read());
    },
  });
}
