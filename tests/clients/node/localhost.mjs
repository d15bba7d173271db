// Resolve `*.localhost` to loopback in this process, as docs/CLIENTS.md tells people to do.

import dns from "node:dns";

const system = dns.lookup;
dns.lookup = (name, ...rest) => system(name.endsWith(".localhost") ? "127.0.0.1" : name, ...rest);
