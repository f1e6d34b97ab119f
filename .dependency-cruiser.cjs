// The direction of imports. `a <- b` reads "b may import a":
// core <- triplane <- {tokenizer, diffusion, bitstream}; core <- {video, metrics, backend}; evaluation sees all of these but diffusion;
// coordtok, tools, examples and benchmarks see everything. viewer's page and worker are bundled from all of these and from coordtok/film; its
// client, which other pages import, sees core and starter.
const mayImport = {
  core: [],
  triplane: ["core"],
  video: ["core"],
  metrics: ["core"],
  backend: ["core"],
  tokenizer: ["core", "triplane"],
  diffusion: ["core", "triplane"],
  bitstream: ["core", "triplane"],
  starter: [],
  evaluation: ["core", "triplane", "video", "tokenizer", "metrics", "backend"],
  viewer: [
    ...["core", "triplane", "video", "tokenizer", "metrics", "backend", "bitstream", "diffusion", "starter"],
    "coordtok/src/film",
  ],
};

const tests = "\\.test\\.ts$";
/** Where Node built-ins may be imported; everything else runs in browsers too. */
const nodeOnly = [
  "/node/",
  "^packages/coordtok/(?!src/(film|web)/)",
  "^packages/evaluation/",
  "^(tools|examples|benchmarks)/",
  "^packages/backend/src/setup/",
  tests,
];

/** Sources that are published as bundles only; what goes into them is a development dependency. */
const bundled = "^packages/viewer/src/(engine|media|page|node/(build|bundle|from-source))";

const directions = Object.entries(mayImport).map(([name, allowed]) => ({
  name: `${name}-imports-${allowed.join("-and-").replaceAll("/", "-") || "no-package"}`,
  severity: "error",
  from: { path: `^packages/${name}/src/`, pathNot: tests },
  to: { path: "^(packages|tools|examples|benchmarks)/", pathNot: [name, ...allowed].map((dir) => `^packages/${dir}/`) },
}));

/** Tests may take helpers from tools and the backend they run on, but reach no sibling package either. */
const testDirections = Object.entries(mayImport).map(([name, allowed]) => ({
  name: `tests-of-${name}`,
  severity: "error",
  from: { path: `^packages/${name}/src/.*${tests}` },
  to: {
    path: "^(packages|examples|benchmarks)/",
    pathNot: [name, ...allowed, "backend"].map((dir) => `^packages/${dir}/`),
  },
}));

module.exports = {
  forbidden: [
    ...directions,
    ...testDirections,
    {
      name: "packages-through-their-front-door",
      comment:
        "Another package is imported by its name, never by a path into its folder. Only the fuzzer, the injector of faults and the test of colours go behind the door.",
      severity: "error",
      from: {
        path: "^(packages/[^/]+|tools|examples|benchmarks)/",
        pathNot: "^tools/src/(fuzz/|faults/|colour-page\\.ts)",
      },
      to: { path: "^packages/", pathNot: "^$1/", dependencyTypes: ["local"] },
    },
    {
      name: "examples-see-published-packages-only",
      severity: "error",
      from: { path: "^examples/", pathNot: tests },
      to: { path: "^(tools|benchmarks)/" },
    },
    {
      name: "nothing-imports-programs",
      comment: "coordtok, examples and benchmarks are at the top.",
      severity: "error",
      from: { path: "^packages/", pathNot: "^packages/(coordtok|viewer)/" },
      to: { path: "^(packages/coordtok|examples|benchmarks)/" },
    },
    {
      name: "the-client-of-the-viewer-is-small",
      comment: "What other pages import of @coordtok/viewer/worker comes unbundled, with core and starter alone.",
      severity: "error",
      from: { path: "^packages/viewer/src/worker/", pathNot: [tests, "/worker/program\\.ts$"] },
      to: { path: "^packages/", pathNot: "^packages/(core|starter)/|^packages/viewer/src/worker/" },
    },
    {
      name: "only-tests-import-tools",
      severity: "error",
      from: { path: "^packages/", pathNot: tests },
      to: { path: "^tools/" },
    },
    {
      name: "only-node-folders-import-node",
      severity: "error",
      from: { path: "^packages/", pathNot: nodeOnly },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "browser-safe-code-stays-out-of-node-folders",
      comment: "Save through an entry of `imports` such as #platform, which gives browsers another file.",
      severity: "error",
      from: { path: "^packages/[^/]+/src/", pathNot: nodeOnly },
      to: { path: "^packages/[^/]+/src/(node|setup)/", dependencyTypesNot: ["aliased-subpath-import"] },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "one-place-starts-programs",
      comment:
        "startProgram and runProgram of core/node: a neutral folder, absolute paths, a time limit, an end with the parent.",
      severity: "error",
      from: {
        path: "^packages/",
        pathNot: [tests, "/testdata/", "^packages/core/src/node/(program|end-with-parent)"],
      },
      to: { path: "^(node:)?child_process$" },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "declared",
      comment: "Every import stands in the package.json of the package that makes it.",
      severity: "error",
      from: { path: "^packages/", pathNot: [tests, "/testdata/", "tsup\\.config\\.ts$", bundled] },
      to: {
        dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"],
        dependencyTypesNot: ["npm", "npm-peer", "npm-optional", "type-only"],
      },
    },
    {
      name: "tests-never-ship",
      severity: "error",
      from: { pathNot: tests },
      to: { path: tests },
    },
  ],
  options: {
    doNotFollow: { path: ["node_modules"] },
    exclude: { path: ["^packages/[^/]+/dist/"] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["@coordtok/source", "import", "node", "default", "types"],
      extensions: [".ts", ".tsx", ".js", ".cjs", ".mjs", ".d.ts", ".json"],
    },
  },
};
