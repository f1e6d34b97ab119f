import { problems, run, runTool } from "./check-command.js";
import { packPackages } from "./check-packages.js";

/**
 * A release as far as it goes without publishing: whether changesets understands its records and the workspace, and npm's own look at every packed file.
 * @returns what went wrong, empty when nothing did.
 */
export async function checkRelease(): Promise<string> {
  const found: string[] = [];
  const versions = await runTool("changeset", ["status", "--since=HEAD"]);
  // A change without a record is nothing wrong yet: changesets has understood the workspace to say so.
  if (!versions.ok && !/changed but no changesets were found/.test(versions.output)) found.push(problems(versions));
  for (const { name, tarball } of await packPackages()) {
    const published = await run("npm", ["publish", tarball, "--dry-run", "--access", "public", "--loglevel=error"]);
    if (!published.ok) found.push(`${name}: npm publish --dry-run failed.\n${published.output}`);
  }
  return found.join("\n");
}
