/** Values that are wrong wherever they stand, or wherever such a text does. */
import type { Json } from "./json-path.ts";

/** Texts that would do harm if they came unescaped into a rule, a shell, a file name or a log. */
export const hostileTexts: readonly string[] = [
  "\n-A FORWARD -j ACCEPT\n",
  '" -j ACCEPT -m comment --comment "',
  "' -j ACCEPT #",
  "\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n",
  "\nflush\ndestroy\n",
  "$(reboot)`reboot`;reboot|reboot&",
  "\u0000\u0001\u001b[2J\u007f",
  "\r\n\t\v\f",
  "\u2028\u2029\u202e\ufeff\u0085",
  "\ud800",
  "..%2f..%00%0a%s%n",
  "\\\"\\'\\\n",
  "!0.0.0.0/0,+*?[a-z]{1,9}(((((((((a+)+)+)+",
  " --match-set cali40all dst -j ACCEPT",
];

/** By what they are meant to be. */
export const bad = {
  selectors: [
    "app = 'web'",
    "app == web",
    "app == 'web",
    "app == 'web' &&",
    "|| app == 'web'",
    "has()",
    "has(app",
    "!(app == 'web'",
    "app in {'a' 'b'}",
    "app in 'a'",
    "all() all()",
    "'web' == app",
    "app == 'web' ; all()",
    "(".repeat(1000),
    "!".repeat(1000),
    "a == 'x' && ".repeat(80),
    "app == 'web'\u0000",
    "\u00e4pp == 'web'",
    "global()",
    "app == 'web' || global()",
  ],
  networks: [
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0/8",
    "10.0.0.256/32",
    "010.0.0.1/32",
    "0x0a.0.0.1",
    "10.0.0.0/8/8",
    "10.0.0.0/08",
    " 10.0.0.0/8",
    "10.0.0.0 - 10.0.0.9",
    "10.0.0.0/255.0.0.0",
    "2001:db8::/129",
    "2001:db8:::/64",
    "fe80::1%eth0",
    "::ffff:10.0.0.256",
    "1::2::3",
    "all",
    "example.org",
    "0/0",
  ],
} as const;

/** Far deeper than any object is. */
export function deep(what: "map" | "list"): Json {
  let json: Json = what;
  for (let depth = 0; depth < 500; depth++) json = what === "map" ? { a: json } : [json];
  return json;
}
