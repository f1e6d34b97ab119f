// The program behind `pnpm build`.
import { join } from "node:path";
import { buildPage, buildWorker } from "./bundle.js";

const dist = join(import.meta.dirname, "../../dist");
await buildPage(join(dist, "page"));
await buildWorker(join(dist, "worker"));
