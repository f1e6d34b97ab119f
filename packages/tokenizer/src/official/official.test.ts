import { disposeTree, treeEntries } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { CoordTok } from "../coordtok.js";
import { preset } from "../presets.js";
import { stateDictFile } from "../testdata.js";
import { officialFromParams, officialShapes, paramsFromOfficial } from "./index.js";

const config = preset("test");

describeEachBackend("CoordTok", () => {
  it("is unchanged by converting to the official names and back", async () => {
    await expectNoLeak(async () => {
      const tokenizer = CoordTok.create(config, { seed: 3 });
      const official = await officialFromParams(config, tokenizer.params);
      expect(new Map([...official].map(([name, { shape }]) => [name, shape]))).toEqual(officialShapes(config));
      const back = await paramsFromOfficial(config, await stateDictFile(official));
      const [mine, theirs] = [treeEntries(tokenizer.params), treeEntries(back)];
      expect(theirs.map(([path]) => path)).toEqual(mine.map(([path]) => path));
      for (const [i, [, leaf]] of mine.entries()) expect(await theirs[i]![1].data()).toEqual(await leaf.data());
      disposeTree([back, ...official.values()]);
      tokenizer.dispose();
    });
  });
});
