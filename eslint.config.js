import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const tests = ["**/*.test.ts", "tools/src/**", "tools/parity/src/**", "tools/gpu/src/**"];

/** A rule may be switched off for a line only with the reason behind `--`. */
const reasonedDirectives = {
  meta: { schema: [], messages: { reason: "Say why after the rule: `eslint-disable-next-line rule -- reason`." } },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments())
        if (/^\s*eslint-disable/.test(comment.value) && !/--\s*\S/.test(comment.value))
          context.report({ loc: comment.loc, messageId: "reason" });
    },
  }),
};

const restrictedSyntax = [
  {
    selector: "ExportAllDeclaration",
    message: "Name what is exported, so that the public surface reads as a list.",
  },
  {
    selector: "ImportDeclaration[source.value='@tensorflow/tfjs-core'] > ImportNamespaceSpecifier",
    message: "Import the functions by name, so that bundlers can drop the rest.",
  },
  {
    selector: "TSAsExpression > TSNeverKeyword",
    message: "Say what it is; a test that gives a value of the wrong type uses mistyped of @coordtok/tools.",
  },
  {
    selector: "TSAsExpression[typeAnnotation.typeName.name='Json'] > TSAsExpression",
    message: "Use asJson of @coordtok/core/text.",
  },
];

const currentFolder = {
  selector: "MemberExpression[object.name='process'] > Identifier.property[name='cwd']",
  message: "What lies in the current folder is not ours: resolve from the package, or take a path from the user.",
};

const tensorTypes = ["Scalar", "Tensor", ...[1, 2, 3, 4, 5, 6].map((rank) => `Tensor${rank}D`)];

const blockingRead = {
  selector: "MemberExpression > Identifier.property[name=/^(dataSync|arraySync)$/]",
  message: "Reading a tensor back is asynchronous: await data() or array().",
};

export default defineConfig(
  globalIgnores([
    "packages/*/tsup.config.ts",
    "**/dist/",
    "**/node_modules/",
    "fixtures/",
    "demo-out/",
    "runs/",
    "coverage/",
    "site/",
  ]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    plugins: { coordtok: { rules: { "reasoned-directives": reasonedDirectives } } },
    rules: {
      "coordtok/reasoned-directives": "error",
      eqeqeq: "error",
      "max-lines": ["error", { max: 400 }],
      "max-lines-per-function": ["error", { max: 80 }],
      "no-console": "error",
      "no-restricted-syntax": ["error", ...restrictedSyntax, blockingRead, currentFolder],
      "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx", "hack"] }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      // An import of types alone written otherwise stays in the build as an import for its side effect.
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/no-misused-spread": ["error", { allow: ["string"] }],
      // The rank of a tensor is part of what a line says; the functions of tfjs infer it or do not, from case to case.
      "@typescript-eslint/no-unnecessary-type-assertion": ["error", { typesToIgnore: tensorTypes }],
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // Array and tensor arithmetic under noUncheckedIndexedAccess needs `!`: the index is known to be in range.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Promises may reject with whatever was caught.
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      // A function may be asynchronous because its interface is.
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: tests,
    rules: {
      "max-lines-per-function": "off",
      "no-restricted-syntax": ["error", ...restrictedSyntax],
    },
  },
  {
    files: [
      "packages/coordtok/src/cli/**",
      "tools/src/**",
      "tools/parity/src/**",
      "tools/gpu/src/**",
      "examples/src/**",
      "benchmarks/src/**",
    ],
    rules: { "no-console": "off" },
  },
);
