/*
 * Decodes a whole triplane file and writes the frames as float32 values, before any video codec:
 *   tsx decode-floats.ts CHECKPOINT.safetensors FILE.triplane.safetensors OUT.f32
 */
import { loadBackend } from "@coordtok/backend";
import { disposeTree } from "@coordtok/core";
import { openFileSource, writeAtomically } from "@coordtok/core/node";
import { checkConfig, CoordTok } from "@coordtok/tokenizer";
import { readTriplaneFile } from "@coordtok/triplane";

const [checkpoint, triplanePath, output] = process.argv.slice(2);
if (checkpoint === undefined || triplanePath === undefined || output === undefined)
  throw new Error("Expected three arguments: CHECKPOINT TRIPLANE OUT.");

const backend = await loadBackend("auto", { purpose: "inference" });
await using weights = await openFileSource(checkpoint);
using model = await CoordTok.load(weights);
await using file = await openFileSource(triplanePath);
const stored = await readTriplaneFile(file, checkConfig);
const triplane = await stored.readTriplane();
const started = performance.now();
const { frames } = await model.decode(triplane, { sliceSize: 1024 });
const numbers = (await frames.data()) as Float32Array;
const seconds = (performance.now() - started) / 1000;
await writeAtomically(output, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), {
  overwrite: true,
});
console.log(JSON.stringify({ backend: backend.name, shape: frames.shape, seconds: Number(seconds.toFixed(1)) }));
disposeTree([triplane, frames]);
