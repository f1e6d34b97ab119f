import { convertReference } from "@coordtok/tokenizer/lattice";
import { openSafetensors } from "@coordtok/core";
import { openFileSource, writeAtomically } from "@coordtok/core/node";

/*
 * Converts the weights of the lattice form's PyTorch reference to a CoordTok.ts checkpoint with int8 weights:
 *   pnpm lattice-weights REFERENCE.safetensors OUT.safetensors
 */

const [reference, target] = process.argv.slice(2);
if (reference === undefined || target === undefined) {
  console.error("Expected the weights of the reference and the file to write.");
  process.exit(2);
}
const source = await openFileSource(reference);
try {
  await writeAtomically(target, convertReference(await openSafetensors(source), { storage: "int8" }));
} finally {
  await source.close();
}
