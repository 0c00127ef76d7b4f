import { type FelixConfiguration, restOfFelixConfiguration } from "../../../../src/api/felix-configuration.ts";

/** A FelixConfiguration as far as its spec can be read. */
export function felixObject(name: string, spec: object, creationTimestamp?: string): FelixConfiguration {
  const object = restOfFelixConfiguration({ metadata: { name, creationTimestamp }, spec });
  if (object === undefined) throw new Error(`Cannot read anything of the FelixConfiguration ${name}`);
  return object;
}
