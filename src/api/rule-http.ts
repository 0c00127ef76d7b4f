/** What a policy rule asks of an HTTP request. */
import { z } from "zod";
import { type Rule, withRules } from "./custom-kind.ts";

// An absolute path without query and fragment (RFC 3986 section 3.3); an empty text counts as none.
const pathText = /^(\/[^?# ]*)?$/;

const part = () =>
  z
    .string()
    .max(1024)
    .regex(pathText, { error: "it must begin with / and have no ?, # or blank" })
    .optional()
    .transform((text) => text ?? "");

const pathFields = z.strictObject({
  exact: part().describe("The whole path."),
  prefix: part().describe("What the path begins with."),
});

const given = (field: string) => `(has(self.${field}) && size(self.${field}) > 0)`;

const oneOfBoth: Rule<z.output<typeof pathFields>> = {
  cel: `${given("exact")} != ${given("prefix")}`,
  message: "a path has either exact or prefix",
  field: "",
  holds: ({ exact, prefix }) => (exact === "") !== (prefix === ""),
};

const path = withRules(pathFields, [oneOfBoth]).transform(({ exact, prefix }) =>
  exact === "" ? { prefix } : { exact },
);

/** Methods and paths of HTTP requests. */
export function ruleHttpField() {
  return z
    .strictObject({
      methods: z
        .array(z.string())
        .max(20)
        .optional()
        .transform((list) => list ?? [])
        .meta({ "x-kubernetes-list-type": "set" })
        .describe("The request's method must be one of these, such as GET. Empty: any."),
      paths: z
        .array(path)
        .max(20)
        .optional()
        .transform((list) => list ?? [])
        .meta({ "x-kubernetes-list-type": "atomic" })
        .describe("The request's path must be one of these, or begin with it. Empty: any."),
    })
    .optional()
    .describe(
      "Only HTTP requests of these methods and paths. For rules that allow, of ingress, over TCP. The kernel cannot see " +
        "requests: until an authorizer for the pod is there, such a rule allows nothing.",
    );
}
