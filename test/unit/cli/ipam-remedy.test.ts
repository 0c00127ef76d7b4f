import { expect, test } from "vitest";
import { withRemedy } from "../../../src/cli/ipam-remedy.ts";
import { KubeError, KubeUnreachableError } from "../../../src/kube/client.ts";

test.each([
  [new KubeUnreachableError("read /x", "https://a", new Error("refused.")), "refused. See that it runs, and that "],
  [new KubeError("read /x", 401, "Unauthorized", "Unauthorized"), "Unauthorized. Renew the credentials"],
  [new KubeError("read /x", 403, "Forbidden", "you may not"), "you may not. Ask for a role that allows it"],
  [new KubeError("read /x", 404, "", "404 page not found"), "404 page not found. The cluster does not know this kind"],
])("what to do is said of %s", (error, sentence) => {
  expect(withRemedy(error)).toMatchObject({ message: expect.stringContaining(sentence), cause: error });
});

test.each([new KubeError("read /x", 404, "NotFound", "no x"), new Error("Cannot release it"), "text"])(
  "what says it already, or does not need it, stays: %s",
  (error) => {
    expect(withRemedy(error)).toBe(error);
  },
);
