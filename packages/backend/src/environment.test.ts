import { expect, it } from "vitest";
import { hasNativeEnvironment, nativeEnvironment } from "./environment.js";

it("the environment of a native process keeps freed memory, and what was set stays", () => {
  const env = nativeEnvironment({ PATH: "/bin", MALLOC_TOP_PAD_: "7" });
  expect(env).toEqual({
    PATH: "/bin",
    MALLOC_MMAP_MAX_: "0",
    MALLOC_TRIM_THRESHOLD_: "8000000000",
    MALLOC_TOP_PAD_: "7",
  });
  expect(hasNativeEnvironment(env)).toBe(true);
  expect(hasNativeEnvironment({ PATH: "/bin", MALLOC_TOP_PAD_: "7" })).toBe(false);
});
