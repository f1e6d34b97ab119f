import { posix } from "node:path";
import type { Wheel } from "./wheel.js";

const root = "tensorflow/include/";

/** The headers of TensorFlow's C interface that add-ons include directly. */
const entryHeaders = [
  "tensorflow/c/c_api.h",
  "tensorflow/c/eager/c_api.h",
  "tensorflow/c/kernels.h",
  "tensorflow/c/ops.h",
  "tensorflow/c/tf_datatype.h",
  "tensorflow/c/tf_status.h",
  "tensorflow/c/tf_tensor.h",
  "tensorflow/core/platform/ctstring_internal.h",
];

/** Returns the names, inside a wheel, of the headers that an add-on needs: those it includes directly and all that they include. */
export async function neededHeaders(wheel: Wheel): Promise<string[]> {
  const names = new Set(wheel.names);
  const needed = new Set<string>();
  const open = entryHeaders.map((header) => root + header).filter((name) => names.has(name));
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    for (const included of includesOf(await wheel.readText(name))) {
      const candidates = [root + included, posix.join(posix.dirname(name), included)];
      const found = candidates.find((candidate) => names.has(candidate));
      if (found !== undefined) open.push(found);
    }
  }
  return [...needed].sort();
}

/** Returns the paths of the quoted `#include` lines of a C++ source. */
function includesOf(source: string): string[] {
  return [...source.matchAll(/^\s*#\s*include\s+"(?<path>[^"]+)"/gm)].map((match) => match.groups?.["path"] ?? "");
}
