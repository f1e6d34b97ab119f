import { CoordTokError, renamedTensors, type TensorFile } from "@coordtok/core";
import type { PointSet, Triplane } from "@coordtok/triplane";
import type { Tensor4D } from "@tensorflow/tfjs-core";
import type { ParityCase, ParityRun } from "../types.js";

/** Returns the name of the tensor that a run gives for a role. */
export function inputName(run: ParityRun, role: string): string {
  const name = run.inputs[role];
  if (typeof name !== "string")
    throw new CoordTokError("file-format", `The run ${run.name} names no tensor for "${role}".`);
  return name;
}

/** Checks that the config of a case, if it names a fact, names the one that the run has. */
export function expectFact(config: Readonly<Record<string, unknown>>, name: string, found: unknown): void {
  const stored = config[name];
  if (stored !== undefined && JSON.stringify(stored) !== JSON.stringify(found))
    throw new CoordTokError(
      "file-format",
      `Expected ${name} ${JSON.stringify(stored)}, which the config of the case names, but the run has ${JSON.stringify(found)}.`,
    );
}

/** Returns the names of the tensors that a run gives for a role. */
export function inputNames(run: ParityRun, role: string): readonly string[] {
  const names = run.inputs[role];
  if (!Array.isArray(names))
    throw new CoordTokError("file-format", `The run ${run.name} names no list of tensors for "${role}".`);
  return names as string[];
}

/** Reads the triplane whose planes xy, yt, xt a run names for a role. */
export async function inputTriplane({ inputs }: ParityCase, run: ParityRun, role: string): Promise<Triplane> {
  const [xy, yt, xt] = await Promise.all(inputNames(run, role).map((name) => inputs.read(name)));
  return { xy: xy as Tensor4D, yt: yt as Tensor4D, xt: xt as Tensor4D };
}

/** Reads the coordinates `[B, N, 3]` that a run names for a role. */
export async function inputPoints({ inputs }: ParityCase, run: ParityRun, role: string): Promise<PointSet> {
  const name = inputName(run, role);
  const [batch, count] = inputs.entries.get(name)!.shape as [number, number];
  return { batch, count, coordinates: Float32Array.from(await inputs.readNumbers(name)) };
}

/** The tensors of a file whose names begin with a prefix, without the prefix. */
export function withoutPrefix(file: TensorFile, prefix: string): TensorFile {
  return renamedTensors(file, (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : undefined));
}
