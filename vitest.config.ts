import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  ssr: { resolve: { conditions: ["@coordtok/source", "module", "node", "development|production"] } },
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "examples/src/**/*.test.ts",
      "benchmarks/src/**/*.test.ts",
      "tools/src/**/*.test.ts",
      "tools/parity/src/**/*.test.ts",
    ],
    tags: [{ name: "ffmpeg", description: "Starts ffmpeg and ffprobe by their names; skipped where PATH has none." }],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 10_000,
    hookTimeout: 60_000,
    env: { TF_CPP_MIN_LOG_LEVEL: "2" },
  },
});

export default config;
