import { describe, expect, it } from "vitest";
import { firstSnippet } from "./pack-readme.js";

const fence = "```";

describe("the snippet of a README", () => {
  it("is the first ts block; shell blocks are skipped", () => {
    const text = `# x\n${fence}sh\nnpm i x\n${fence}\n${fence}ts\nconst a = 1;\nconst b = "${fence}";\n${fence}\n${fence}ts\nsecond\n${fence}\n`;
    expect(firstSnippet(text)).toEqual({ code: `const a = 1;\nconst b = "${fence}";\n`, language: "ts", runs: true });
  });

  it("is not run when it is marked no-run with a reason", () => {
    expect(firstSnippet(`${fence}js no-run it needs a GPU\nx\n${fence}\n`)).toEqual({
      code: "x\n",
      language: "js",
      runs: false,
    });
  });

  it("is an error when it is marked no-run without a reason", () => {
    expect(() => firstSnippet(`${fence}ts no-run\nx\n${fence}\n`)).toThrow("without a reason");
  });

  it("is absent in a text without a program", () => {
    expect(firstSnippet(`${fence}tsx\nx\n${fence}\n`)).toBeUndefined();
  });
});
