import { convertReference } from "@coordtok/tokenizer/lattice";
import { openSafetensors } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";

/** The files of `packages/starter/weights`. */
export const starterFiles: readonly string[] = ["starter.safetensors", "starter-bytes.safetensors"];

/** Converts the weights of the reference to the bytes of a checkpoint with int8 weights. */
export async function* int8Checkpoint(reference: string): AsyncGenerator<Uint8Array, void> {
  const source = await openFileSource(reference);
  try {
    yield* convertReference(await openSafetensors(source), { storage: "int8" });
  } finally {
    await source.close();
  }
}

/** The record of one file in `TRAINED_ON.json`. */
interface TrainedOn {
  readonly file: string;
  readonly kind: "video" | "image";
  readonly licence: string;
  readonly credit: string;
  readonly source: string;
  readonly evidence: string;
}

const evidenceText: Readonly<Record<string, string>> = {
  explicit: "the licence is stated for the material",
  "own-footage": "recorded by the project itself, under the licence of its repository",
  inferred: "a work of the US government by its content",
};

/**
 * Makes `CREDITS.md` of the package from the text of `TRAINED_ON.json`: one entry for each source, licence and credit, with every
 * file named.
 */
export function creditsText(trainedOn: string): string {
  const { files } = JSON.parse(trainedOn) as { readonly files: readonly TrainedOn[] };
  const groups = new Map<string, TrainedOn[]>();
  for (const file of files) {
    const key = JSON.stringify([file.source, file.licence, file.credit, file.evidence]);
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  const entries = [...groups.values()].map((group) => {
    const [{ source, licence, credit, evidence }] = group as [TrainedOn];
    const names = group.map(({ file, kind }) => `${file.split("/").at(-1)}${kind === "image" ? "" : " (video)"}`);
    return [
      `## ${source}, ${licence}`,
      `Credit: ${credit}. Evidence: ${evidenceText[evidence] ?? evidence}.`,
      `${names.length} of the files: ${names.map((name) => `\`${name}\``).join(", ")}`,
    ].join("\n\n");
  });
  return `${[
    "# Training data of the weights",
    `Both sets of weights were trained on these ${files.length} freely licensed videos and pictures, without sound, cut, scaled and changed in colour. Each is listed with its repository on GitHub, its licence and its credit. No one named here endorses this project.`,
    ...entries,
  ].join("\n\n")}\n`;
}
