import { tensor } from "@tensorflow/tfjs-core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { truncatedBytes, unitFromByte, unitFromModelRange } from "./eight-bit.js";

describeEachBackend("eight-bit values", () => {
  it("model range becomes [0, 1], clamped", async () => {
    const values = tensor([-3, -1, 0, 0.5, 1, 1.2]);
    await expectNoLeak(async () => {
      const unit = unitFromModelRange(values);
      expect([...(await unit.data())]).toEqual([0, 0, 0.5, 0.75, 1, 1]);
      unit.dispose();
    });
    values.dispose();
  });

  it("every byte is restored from [0, 1]; other values lose their fraction, toward zero and unclamped", async () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => byte);
    const unit = tensor([...bytes.map(unitFromByte), 0.9999, -0.001, 1.1]);
    await expectNoLeak(async () => {
      const back = truncatedBytes(unit);
      const values = [...(await back.data())].map((value) => value + 0);
      expect(values).toEqual([...bytes, 254, 0, 280]);
      back.dispose();
    });
    unit.dispose();
  });
});
