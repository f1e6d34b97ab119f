import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { starter, starterBytes } from "@coordtok/starter";
import { describe, expect, it } from "vitest";
import { root } from "./check-command.js";
import { creditsText, int8Checkpoint, starterFiles } from "./starter-package.js";

const shared = join(root, "..", "shared", "starter");
const absent = existsSync(shared) ? "" : " (skipped: no ../shared/starter beside the repository)";
const folder = join(root, "packages", "starter");

describe.skipIf(absent !== "")(`the package of the starter${absent}`, () => {
  it.each(Object.entries(starterFiles))(
    "%s is the int8 conversion of %s, byte for byte",
    { timeout: 120_000 },
    async (file, reference) => {
      const made = createHash("sha256");
      for await (const piece of int8Checkpoint(join(shared, reference))) made.update(piece);
      const shipped = createHash("sha256").update(readFileSync(join(folder, "weights", file)));
      expect(made.digest("hex")).toBe(shipped.digest("hex"));
    },
  );

  it("CREDITS.md names everything in TRAINED_ON.json", () => {
    const credits = creditsText(readFileSync(join(shared, "TRAINED_ON.json"), "utf8"));
    expect(readFileSync(join(folder, "CREDITS.md"), "utf8")).toBe(credits);
    expect(credits).toContain("bigbuckbunny.org");
  });
});

describe("the paths of the starter's weights", () => {
  it("are files of the package", () => {
    const paths = [starter, starterBytes].map((place) => fileURLToPath(place));
    expect(paths).toEqual(Object.keys(starterFiles).map((file) => join(folder, "weights", file)));
    expect(paths.every((path) => existsSync(path))).toBe(true);
  });
});
