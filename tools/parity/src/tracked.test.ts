import { expect, it } from "vitest";
import { trackReads } from "./tracked.js";

it("fields that nobody read are named, also those within objects and lists", () => {
  const { value, unread } = trackReads({
    scale: 0.7,
    shape: [1, 2],
    empty: {},
    rule: { lin: "uniform(0, 1)", doc: "text" },
    rows: [{ code: "a", at: 1 }, { code: "b" }],
  });
  const { scale, shape, rule, rows } = value as {
    scale: number;
    shape: number[];
    rule: { lin: string };
    rows: { code: string }[];
  };
  expect([scale, shape, rule.lin, rows[1]!.code]).toEqual([0.7, [1, 2], "uniform(0, 1)", "b"]);
  expect(unread()).toEqual(["empty", "rule.doc", "rows[0].code", "rows[0].at"]);
});

it("listing the names of fields does not read them", () => {
  const { value, unread } = trackReads({ a: 1, b: 2 });
  expect(Object.keys(value)).toEqual(["a", "b"]);
  expect("a" in value).toBe(true);
  expect(unread()).toEqual(["a", "b"]);
});
