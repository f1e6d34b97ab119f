import { readFile } from "node:fs/promises";
import { readTriplaneFile } from "@coordtok/triplane";
import { describeEachBackend } from "@coordtok/tools";
import { expect, it } from "vitest";
import { checkConfig, CoordTok, overrideConfig, preset } from "./index.js";

const stored = (name: string): Promise<Uint8Array> => readFile(new URL(`testdata/${name}`, import.meta.url));

describeEachBackend("files of earlier versions", () => {
  it("with the query patch under its old name decode to the pixels of that version", async () => {
    using model = await CoordTok.load(await stored("old-names.safetensors"));
    expect(model.config.planes).toEqual({
      rows: 4,
      columns: 4,
      time: 4,
      channels: 2,
      queryPatch: { time: 2, space: 2 },
    });
    const file = await readTriplaneFile(await stored("old-names.triplane.safetensors"), checkConfig);
    expect(file.config).toEqual(model.config);
    const { frames } = await model.decode(await file.readTriplane());
    const pixels = await frames.data();
    [0.4033117890357971, 0.5638660192489624, -0.46989569067955017, 0.3704250454902649].forEach((pixel, i) =>
      expect(pixels[i]).toBeCloseTo(pixel, 5),
    );
  });

  it("are written under the current names", () => {
    const { queryPatch, ...planes } = preset("test").planes;
    const old = { ...preset("test"), planes: { ...planes, cell: queryPatch } };
    expect(checkConfig(old)).toEqual(preset("test"));
    expect(JSON.stringify(checkConfig(old).planes)).not.toContain("cell");
    expect(() => overrideConfig(preset("test"), ["planes.cell.time=2"])).toThrow(/Unknown key "cell"/);
  });
});
