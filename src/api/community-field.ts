import { z } from "zod";
import { type Rule, withRules } from "./custom-kind.ts";

const shape = /^[0-9]{1,10}(:[0-9]{1,10}){1,2}$/;
const part = (index: number, most: number) => `int(self.split(':')[${index}]) <= ${most}`;
const short = [0, 1].map((index) => part(index, 0xffff)).join(" && ");
const large = [0, 1, 2].map((index) => part(index, 0xffffffff)).join(" && ");

const rule: Rule<string> = {
  // One pattern with the bounds in it would cost the API server more than it allows, and be no text for people.
  cel: `self.matches('${shape.source}') && (self.split(':').size() == 2 ? ${short} : ${large})`,
  message: "it must be a community, aa:nn with 16 bits each, or aa:nn:mm with 32 bits each",
  field: "",
  holds: isCommunity,
};

/** A community, `aa:nn` of 16 bits each (RFC 1997), or a large one, `aa:nn:mm` of 32 (RFC 8092). */
export function communityField(): z.ZodType<string, string> {
  return withRules(z.string().max(32), [rule]);
}

/** Whether `text` is one. */
export function isCommunity(text: string): boolean {
  if (!shape.test(text)) return false;
  const parts = text.split(":");
  return parts.every((one) => Number(one) <= (parts.length === 2 ? 0xffff : 0xffffffff));
}
