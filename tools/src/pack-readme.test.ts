import { describe, expect, it } from "vitest";
import { firstSnippet } from "./pack-readme.js";

const fence = "```";

describe("the snippet of a README", () => {
  it("the first ts block is taken, shell blocks are passed over", () => {
    const text = `# x\n${fence}sh\nnpm i x\n${fence}\n${fence}ts\nconst a = 1;\nconst b = "${fence}";\n${fence}\n${fence}ts\nsecond\n${fence}\n`;
    expect(firstSnippet(text)).toEqual({ code: `const a = 1;\nconst b = "${fence}";\n`, language: "ts", runs: true });
  });

  it("a block marked no-run with a reason is not run", () => {
    expect(firstSnippet(`${fence}js no-run it needs a GPU\nx\n${fence}\n`)).toEqual({
      code: "x\n",
      language: "js",
      runs: false,
    });
  });

  it("a block marked no-run without a reason is an error", () => {
    expect(() => firstSnippet(`${fence}ts no-run\nx\n${fence}\n`)).toThrow("without a reason");
  });

  it("a text without a program has none", () => {
    expect(firstSnippet(`${fence}tsx\nx\n${fence}\n`)).toBeUndefined();
  });
});
