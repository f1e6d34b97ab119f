import { defineConfig, type Options } from "tsup";

/** The one build of every package: ESM, types and source maps, Node 20.19 and current browsers. */
export function buildPackage(entry: Record<string, string>): ReturnType<typeof defineConfig> {
  const options: Options = {
    entry,
    format: ["esm"],
    target: "es2022",
    platform: "neutral",
    dts: true,
    sourcemap: true,
    clean: true,
    splitting: true,
    // Every import by name stays an import: dependencies of all kinds, Node's own modules and the package's `#` imports.
    skipNodeModulesBundle: true,
    removeNodeProtocol: false,
  };
  return defineConfig(options);
}
