import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fnv1a32, formulaIntegers, formulaTensor, lowbias32 } from "./formula.js";

interface StoredRule {
  config: {
    weight_rule: {
      self_test: {
        fnv1a32_of_a: number;
        lowbias32_of_name_a_index_0_1_2: number[];
        uniform_minus1_1_of_name_a: number[];
      };
    };
  };
}

describe("formula weights", () => {
  for (const id of ["i3d", "lpips-vgg16"])
    it(`pass the self-test of metrics/${id}`, async () => {
      const url = new URL(`../../../../fixtures/metrics/${id}/case.json`, import.meta.url);
      const { self_test: wanted } = (JSON.parse(readFileSync(url, "utf8")) as StoredRule).config.weight_rule;
      expect(fnv1a32("a")).toBe(wanted.fnv1a32_of_a);
      expect(lowbias32(fnv1a32("a"))).toBe(wanted.lowbias32_of_name_a_index_0_1_2[0]);
      expect([0, 1, 2].map(formulaIntegers("a"))).toEqual(wanted.lowbias32_of_name_a_index_0_1_2);
      const { loadBackend } = await import("@coordtok/backend");
      await loadBackend("cpu");
      expect([...(await formulaTensor("a", [3], -1, 1).data())]).toEqual(wanted.uniform_minus1_1_of_name_a);
    });
});
