import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { starter, starterBytes } from "@coordtok/starter";
import { describe, expect, it } from "vitest";
import { resolveModel } from "./resolve-model.js";

describe("the name of a model", () => {
  it("resolves to the weights of the package", async () => {
    expect(await resolveModel("starter")).toBe(fileURLToPath(starter));
    expect(await resolveModel("starter-bytes")).toBe(fileURLToPath(starterBytes));
    expect(await resolveModel()).toBe(fileURLToPath(starter));
  });

  it.each(["startr", "constructor", "ucf101"])("%s is unknown, and the error names the known ones", async (name) => {
    await expect(resolveModel(name)).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringContaining(
        "the known models are starter, starter-bytes, coordtok-l-ucf101 and coordtok-sit-l-ucf101",
      ) as string,
    });
  });

  it("may be that of a file without an extension", async () => {
    const folder = mkdtempSync(join(tmpdir(), "coordtok-models-"));
    try {
      const path = join(folder, "mine");
      writeFileSync(path, "not much");
      expect(await resolveModel(path)).toBe(path);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
