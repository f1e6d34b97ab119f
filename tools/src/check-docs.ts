import { join } from "node:path";
import { Application, Logger, LogLevel, type TypeDocOptions } from "typedoc";
import { root } from "./check-command.js";
import { publicPackages } from "./public-entries.js";

const packages = publicPackages();

/** Prints what the public surface of the packages lacks in documentation, and exits with 1 if anything is missing. */
async function main(): Promise<void> {
  const app = await Application.bootstrap(options());
  const messages = new Messages();
  app.logger = messages;
  const project = await app.convert();
  // Missing exports of types are found only for the package that the project is named after.
  for (const packageName of project ? packages.map(({ name }) => name) : [])
    app.validate(Object.assign(project!, { packageName }));
  for (const message of messages.found) console.log(message);
  process.exitCode = project && messages.found.size === 0 ? 0 : 1;
}

/** Collects warnings and errors. */
class Messages extends Logger {
  readonly found: Set<string> = new Set();

  override log(message: string, level: LogLevel): void {
    super.log(message, level);
    if (level >= LogLevel.Warn && !explained.some((pattern) => pattern.test(message))) this.found.add(message);
  }
}

/** Messages about things that need no comment of their own. */
const explained = [
  // `@param options.name` documents an option of a destructured parameter, which typedoc cannot match.
  /@param with name "\w+\.\w+", which was not used/,
  // The members of a nameless return type are described by the docstring of the function.
  /\.__type\.\S+ \(Property\), .* does not have any documentation/,
  // The types of the tables of fused operations are public, but only `pnpm kernels` reads their values.
  /^fusedOperations, defined in .* is referenced by/,
  // `using` and `await using`.
  /\.\[(dispose|asyncDispose)\] .* does not have any documentation/,
];

function options(): Partial<TypeDocOptions> {
  return {
    entryPoints: packages.flatMap(({ entries }) => [...entries]),
    tsconfig: join(root, "tsconfig.json"),
    logLevel: "Warn",
    readme: "none",
    disableSources: true,
    excludeExternals: true,
    excludePrivate: true,
    // The check `types` reports these.
    skipErrorChecking: true,
    packagesRequiringDocumentation: packages.map(({ name }) => name),
    requiredToBeDocumented: [
      "Accessor",
      "Class",
      "Function",
      "Interface",
      "Method",
      "Property",
      "TypeAlias",
      "Variable",
    ],
    validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: true },
  };
}

await main();
