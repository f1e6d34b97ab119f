import { defineConfig, type Options } from "tsup";

/** The one build of every package: ESM, types and source maps, Node 20.19 and current browsers. */
export function buildPackage(entry: Record<string, string>): ReturnType<typeof defineConfig> {
  const options: Options = {
    entry,
    format: ["esm"],
    target: "es2022",
    platform: "neutral",
    dts: { compilerOptions: { composite: false, customConditions: [] } },
    sourcemap: true,
    clean: true,
    splitting: true,
    external: [/^node:/, /^#/],
  };
  return defineConfig(options);
}
