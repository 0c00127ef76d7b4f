import { expect, test } from "vitest";
import type { NamespacedName } from "../../../src/api/names.ts";
import { noDns, type ResultRoute } from "../../../src/cni/cni-result.ts";
import { routeWish } from "../../../src/cni/route-wish.ts";
import { furtherVethName, vethName } from "../../../src/cni/veth-name.ts";
import { parseIp } from "../../../src/net/ip.ts";

const first = {
  hostInterface: vethName("shop", "web"),
  pod: "shop/web" as NamespacedName,
  addresses: [parseIp("10.0.0.1")],
};
const further = { ...first, hostInterface: furtherVethName("shop", "web", "net1") };

const confOf = (routes: readonly { dst: string; gw?: string }[], asked?: boolean) => ({
  include_default_routes: asked,
  ipam: { type: "x", assign_ipv4: true, assign_ipv6: false, ipv4_pools: [], ipv6_pools: [], routes: [...routes] },
});
const given = (...routes: readonly ResultRoute[]) => ({
  ipam: { type: "host-local", environment: {}, conf: "{}", ips: [], routes, dns: noDns },
});
const ten = { dst: "10.0.0.0/8", gw: parseIp("10.0.0.254") };

test("a pod has the default route and the configuration's", () => {
  expect(routeWish(first, confOf([ten]))).toEqual({ isFurther: false, includeDefaultRoutes: true, routes: [ten] });
  expect(routeWish(first, confOf([ten], false))).toMatchObject({ includeDefaultRoutes: false, routes: [ten] });
});

test("another plugin's routes stand for the default route, unless it is asked for", () => {
  expect(routeWish({ ...first, ...given() }, confOf([]))).toMatchObject({ includeDefaultRoutes: true, routes: [] });
  const some = { ...first, ...given(ten, { dst: "fd00::/8" }) };
  expect(routeWish(some, confOf([]))).toEqual({
    isFurther: false,
    includeDefaultRoutes: false,
    routes: [{ dst: ten.dst }],
  });
  expect(routeWish(some, confOf([], true))).toMatchObject({ includeDefaultRoutes: true });
});

test("a further interface has no part in the pod's way out", () => {
  const routes = [
    { dst: "0.0.0.0/0" },
    { dst: "::/0" },
    { dst: "169.254.1.1/32" },
    { dst: "fe80::ecee:eeff:feee:eeee/128" },
    ten,
  ];
  expect(routeWish(further, confOf(routes, true))).toEqual({
    isFurther: true,
    includeDefaultRoutes: false,
    routes: [{ dst: ten.dst }],
  });
  expect(routeWish({ ...further, ...given({ dst: "0.0.0.0/0" }) }, confOf([]))).toMatchObject({ routes: [] });
});
