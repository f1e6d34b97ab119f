import { expect, it } from "vitest";
import { setUp } from "./set-up.js";

it("an unknown option of setUp is refused before any search, naming the nearest one", async () => {
  await expect(setUp({ wheels: ["a.whl"] } as object)).rejects.toMatchObject({
    code: "config",
    message: expect.stringMatching(/Unknown option "wheels".*"wheel"/) as string,
  });
});
