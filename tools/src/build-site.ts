import { join } from "node:path";
import { root } from "./check-command.js";
import { buildSite, deadLinks } from "./site.js";

await buildSite(join(root, "site"));
const dead = deadLinks(join(root, "site"));
for (const line of dead) console.error(line);
console.log(`site/index.html, with every page as Markdown and llms.txt; ${String(dead.length)} dead links`);
process.exitCode = dead.length === 0 ? 0 : 1;
