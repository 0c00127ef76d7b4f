import { describe, expect, test } from "vitest";
import {
  type KubeControllersConfiguration,
  parseKubeControllersConfiguration,
} from "../../../src/api/kube-controllers-configuration.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { ConfigurationController } from "../../../src/controllers/configuration/configuration-controller.ts";
import { readEnvironment } from "../../../src/controllers/configuration/environment.ts";
import { defaultSpec, runningConfig, withoutEffect } from "../../../src/controllers/configuration/running-config.ts";
import { controllerSettings } from "../../../src/controllers/configuration/settings.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { noAgents } from "../../fakes/no-agents.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const none = readEnvironment({});
const alive = new AbortController().signal;

function configuration(controllers: object, spec: object = {}): KubeControllersConfiguration {
  return parseKubeControllersConfiguration({ metadata: { name: "default" }, spec: { ...spec, controllers } });
}

describe("readEnvironment", () => {
  test("takes upstream's variables, and nothing else", () => {
    const env = {
      ...{ LOG_LEVEL: "warn", ENABLED_CONTROLLERS: "node, profile", RECONCILER_PERIOD: "90s", HOME: "/root" },
      ...{ AUTO_HOST_ENDPOINTS: "Enabled", SYNC_NODE_LABELS: "true", HEALTH_ENABLED: "0", COMPACTION_PERIOD: "0" },
      ...{ DATASTORE_TYPE: "kubernetes" },
    };
    const { HOME: _, ...variables } = env;
    expect(readEnvironment(env)).toEqual({
      ...{ variables, logSeverity: "Warning", reconcilerMs: 90_000, autoHostEndpoints: true, healthChecks: false },
      enabled: new Set(["node", "namespace"]),
    });
    expect(none).toEqual({ variables: {} });
  });

  test.each([
    ["LOG_LEVEL", "loud", '"loud" is none of panic, fatal'],
    ["ENABLED_CONTROLLERS", "node,flannelmigration", '"flannelmigration" is none of node, policy'],
    ["RECONCILER_PERIOD", "often", 'Cannot read "often" as a duration'],
    ["COMPACTION_PERIOD", "often", 'Cannot read "often" as a duration'],
    ["HEALTH_ENABLED", "yes", '"yes" is none of 1, t'],
    ["SYNC_NODE_LABELS", "on", '"on" is none of'],
    ["AUTO_HOST_ENDPOINTS", "true", '"true" is none of enabled, disabled'],
    ["DATASTORE_TYPE", "etcdv3", '"etcdv3" is none of kubernetes'],
  ])("refuses %s=%s", (name, value, why) => {
    const read = () => readEnvironment({ [name]: value });
    expect(read).toThrow(`Cannot use the environment variable ${name}: `);
    expect(read).toThrow(why);
  });
});

describe("runningConfig", () => {
  const node = (object: KubeControllersConfiguration, env = none) => runningConfig(object.spec, env).controllers.node;

  test("says what is in force of the defaults, and nothing that is not", () => {
    expect(runningConfig(defaultSpec, none)).toEqual({
      ...{
        logSeverityScreen: "Info",
        healthChecks: "Enabled",
        etcdV3CompactionPeriod: "0s",
        prometheusMetricsPort: 9094,
      },
      controllers: {
        node: {
          ...{ reconcilerPeriod: "5m0s", syncLabels: "Disabled", leakGracePeriod: "15m0s" },
          hostEndpoint: { autoCreate: "Disabled", createDefaultHostEndpoint: "Enabled" },
        },
      },
    });
    const all = configuration({ policy: {}, namespace: {}, loadBalancer: {}, migration: {} }, { debugProfilePort: 1 });
    expect(runningConfig(all.spec, none)).toEqual({ ...runningConfig(defaultSpec, none), controllers: {} });
  });

  test("is what the API server gives back, with every default filled in", () => {
    const running = runningConfig(defaultSpec, none);
    expect(parseKubeControllersConfiguration({ metadata: { name: "x" }, spec: running }).spec).toEqual(running);
  });

  test.each([
    ["a period that is too short", { node: { reconcilerPeriod: "1ms" } }, {}, { reconcilerPeriod: "1s" }],
    ["no grace period", { node: { leakGracePeriod: "0" } }, {}, { leakGracePeriod: "0s" }],
    ["the environment's period", { node: {} }, { RECONCILER_PERIOD: "1h" }, { reconcilerPeriod: "1h0m0s" }],
    ["the environment's choice", {}, { ENABLED_CONTROLLERS: "node" }, { leakGracePeriod: "0s" }],
    ["the environment's other choice", { node: {} }, { ENABLED_CONTROLLERS: "policy" }, undefined],
    ["no node controller", { policy: {} }, {}, undefined],
  ])("follows %s", (_, controllers, env, expected) => {
    const found = node(configuration(controllers), readEnvironment(env));
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });
});

const pattern = { generateName: "x", interfacePattern: "eth.*" };

test.each<[object, object, readonly string[]]>([
  [{ node: {} }, {}, []],
  [{ node: { hostEndpoint: {} } }, {}, []],
  [{ node: { hostEndpoint: { autoCreate: "Enabled" } } }, {}, []],
  [{ node: { hostEndpoint: { autoCreate: "Enabled", templates: [pattern] } } }, {}, ["templates.interfacePattern"]],
  [{ node: { hostEndpoint: { templates: [pattern] } } }, {}, []],
  [
    { node: { hostEndpoint: { templates: [pattern] } } },
    { AUTO_HOST_ENDPOINTS: "enabled" },
    ["templates.interfacePattern"],
  ],
  [{ loadBalancer: {} }, {}, ["controllers.loadBalancer"]],
  [{ loadBalancer: {} }, { ENABLED_CONTROLLERS: "node" }, []],
  [{}, { ENABLED_CONTROLLERS: "node,loadbalancer" }, ["controllers.loadBalancer"]],
])("of %j under %j these have no effect: %j", (controllers, env, expected) => {
  const found = withoutEffect(configuration(controllers), readEnvironment({ ...env }));
  expect(found).toEqual(expected.map((field) => expect.stringContaining(field)));
});

describe("controllerSettings", () => {
  const settings = (object: KubeControllersConfiguration | undefined, env: Record<string, string> = {}) =>
    controllerSettings(
      { kubeControllersConfiguration: new Map(object === undefined ? [] : [["default", object]]) },
      readEnvironment(env),
    );

  test.each([
    [
      "the defaults",
      configuration({ node: {} }),
      {},
      { leakGraceMs: 900_000, reconcilerMs: 300_000, logLevel: "info" },
    ],
    ["no configuration", undefined, {}, { leakGraceMs: undefined, reconcilerMs: 300_000, logLevel: "info" }],
    [
      "no configuration but an environment",
      undefined,
      { LOG_LEVEL: "debug" },
      { leakGraceMs: undefined, logLevel: "debug" },
    ],
    ["no node controller", configuration({}), {}, { leakGraceMs: undefined }],
    ["a grace period of 0", configuration({ node: { leakGracePeriod: "0s" } }), {}, { leakGraceMs: undefined }],
    ["one of less than a millisecond", configuration({ node: { leakGracePeriod: "1ns" } }), {}, { leakGraceMs: 1 }],
    [
      "a switch in the environment",
      configuration({ node: {} }),
      { ENABLED_CONTROLLERS: "policy" },
      { leakGraceMs: undefined },
    ],
    ["the defaults, for metrics", configuration({}), {}, { metricsPort: 9094, healthChecks: true }],
    ["no configuration, for metrics", undefined, {}, { metricsPort: 9094, healthChecks: true }],
    ["another port", configuration({}, { prometheusMetricsPort: 1 }), {}, { metricsPort: 1, healthChecks: true }],
    ["no configuration, for host endpoints", undefined, {}, { hostEndpoints: "unknown" }],
    ["the defaults, for host endpoints", configuration({ node: {} }), {}, { hostEndpoints: "off" }],
    [
      "host endpoints",
      configuration({ node: { hostEndpoint: { autoCreate: "Enabled" } } }),
      {},
      { hostEndpoints: { createDefaultHostEndpoint: "Enabled" } },
    ],
    [
      "host endpoints, but no node controller",
      configuration({ node: { hostEndpoint: { autoCreate: "Enabled" } } }),
      { ENABLED_CONTROLLERS: "policy" },
      { hostEndpoints: "off" },
    ],
    [
      "host endpoints by the environment",
      configuration({ node: {} }),
      { AUTO_HOST_ENDPOINTS: "enabled" },
      { hostEndpoints: { createDefaultHostEndpoint: "Enabled" } },
    ],
    ["no metrics", configuration({}, { prometheusMetricsPort: 0 }), {}, { metricsPort: 0, healthChecks: false }],
    ["no health", configuration({}, { healthChecks: "Disabled" }), {}, { metricsPort: 9094, healthChecks: false }],
    ["no health by the environment", configuration({}), { HEALTH_ENABLED: "false" }, { healthChecks: false }],
    [
      "health by the environment",
      configuration({}, { healthChecks: "Disabled" }),
      { HEALTH_ENABLED: "true" },
      { healthChecks: true },
    ],
    ["silence", configuration({}, { logSeverityScreen: "None" }), {}, { logLevel: "silent" }],
    ["panic", configuration({}, { logSeverityScreen: "Panic" }), {}, { logLevel: "error" }],
  ])("%s", (_, object, env, expected) => {
    expect(settings(object, env)).toMatchObject(expected);
  });
});

describe("ConfigurationController", () => {
  const path = "/apis/projectcalico.org/v3/kubecontrollersconfigurations";

  /** An API server that holds one object, or none. */
  function world(object: Record<string, unknown> | undefined, env: Record<string, string> = {}) {
    const state = { object, events: [] as string[] };
    const client = stubClient((request, body) => {
      if (request === `GET ${path}/default`) {
        if (state.object === undefined) throw new KubeError("read", 404, "NotFound", "there is none");
        return state.object;
      }
      const given = body as Record<string, unknown>;
      if (request === `POST ${path}`) state.object = given;
      if (request === `PATCH ${path}/default/status`) state.object = { ...state.object, status: given["status"] };
      return state.object;
    });
    const controller = new ConfigurationController({
      ...{ client, snapshot: emptySnapshot(), clock: testClock(), environment: readEnvironment(env) },
      agents: noAgents,
      events: { record: (_, type, reason) => state.events.push(`${type} ${reason}`) },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    });
    return { state, client, controller };
  }

  test("makes the object, says what is in force, and then is quiet", async () => {
    const { state, client, controller } = world(undefined);
    await controller.pass(alive);
    await controller.pass(alive);
    expect(client.sent).toEqual([
      ...[`GET ${path}/default`, `POST ${path}`, `PATCH ${path}/default/status`, `GET ${path}/default`],
    ]);
    expect(state.object).toMatchObject({
      spec: defaultSpec,
      status: {
        runningConfig: runningConfig(defaultSpec, none),
        environmentVars: { DATASTORE_TYPE: "kubernetes" },
        conditions: [{ type: "InForce", status: "True", reason: "OK" }],
      },
    });
    expect(state.events).toEqual([]);
  });

  test("keeps quiet though no variable is set and no controller runs", async () => {
    const { client, controller } = world({ metadata: { name: "default" }, spec: { controllers: {} } });
    await controller.pass(alive);
    await controller.pass(alive);
    expect(client.sent.filter((request) => request.startsWith("PATCH"))).toHaveLength(1);
  });

  test("tells once of what has no effect, also when something else changes", async () => {
    const { state, client, controller } = world(undefined, { ENABLED_CONTROLLERS: "node,loadbalancer" });
    await controller.pass(alive);
    state.object = { ...state.object, spec: { controllers: { node: { leakGracePeriod: "1h" } } } };
    await controller.pass(alive);
    expect(client.sent.filter((request) => request.startsWith("PATCH"))).toHaveLength(2);
    expect(state.events).toEqual(["Warning NotImplemented"]);
  });

  test("says of an object that cannot be read what is wrong, and claims nothing in force", async () => {
    const { state, controller } = world({ metadata: { name: "default" }, spec: { controllers: { node: "yes" } } });
    await controller.pass(alive);
    expect(state.object?.["status"]).toMatchObject({
      conditions: [{ type: "InForce", status: "False", message: expect.stringContaining("no address is taken back") }],
    });
    expect(state.object?.["status"]).not.toHaveProperty("runningConfig");
  });
});
