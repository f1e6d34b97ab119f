import { getBackend, matMul, ones, tidy, type Tensor2D } from "@tensorflow/tfjs-core";
import { backendTraits } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { backendRow } from "./catalogue.js";

describeEachBackend("a loaded backend", (name) => {
  it("is selected and has its traits registered", () => {
    expect(getBackend()).toBe(backendRow(name).tfName);
    expect(backendTraits()).toEqual(backendRow(name).traits);
  });

  it("multiplies", async () => {
    await expectNoLeak(async () => {
      const product = tidy(() => matMul(ones([4, 3]) as Tensor2D, ones([3, 5]) as Tensor2D));
      expect([...(await product.data())]).toEqual(Array.from({ length: 20 }, () => 3));
      product.dispose();
    });
  });
});
