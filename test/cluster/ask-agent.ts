/** Asks an agent as anybody could: the one argument is `{ url, certificate, token, body? }`; prints status and text. */
import { postPinned } from "../../src/controllers/post-pinned.ts";

const { url, certificate, token, body = "{}" } = JSON.parse(process.argv[2] ?? "{}");
const answer = await postPinned(new URL("/v1/addresses", url), {
  ...{ certificate, token, body, serverName: "margay-agent", signal: undefined, timeoutMs: 10_000, limitBytes: 1e6 },
});
process.stdout.write(JSON.stringify(answer));
