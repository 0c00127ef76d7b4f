import { describe } from "vitest";
import { rulesDriverContract } from "../contract/rules-driver.ts";
import { iptablesBench, nftBench } from "./rules-benches.ts";

describe("iptables-nft", () => rulesDriverContract(() => iptablesBench("nft")));
describe("iptables-legacy", () => rulesDriverContract(() => iptablesBench("legacy")));
describe("nftables", () => rulesDriverContract(nftBench));
