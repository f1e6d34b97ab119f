import { fileURLToPath } from "node:url";

/** The folder of the page: static files, `index.html` among them, to be served as they are by any server. */
export function pageFolder(): Promise<string> {
  return Promise.resolve(fileURLToPath(new URL("../page", import.meta.url)));
}
