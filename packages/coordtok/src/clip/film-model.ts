import { isDeepStrictEqual } from "node:util";
import { CoordTokError, nestTensors, pickOptions, type LongCallOptions } from "@coordtok/core";
import { sha256OfFile } from "@coordtok/core/node";
import { CoordTok, LatticeCoordTok, type AnyTokenizer, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import { latticeParamShapes, type LatticeDecoderParams } from "@coordtok/tokenizer/lattice";
import { decoderShapes, type DecoderParams } from "@coordtok/tokenizer/model";
import type { CheckpointReference, Film } from "@coordtok/triplane";
import { loadPretrained } from "../models/load-pretrained.js";
import { findModel, recordedName } from "../models/find-model.js";
import { defaultModel } from "../models/known-models.js";
import { namingOptionNames, type NamingOptions } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { referenceTo } from "./triplane-file.js";

/**
 * A reference to a model for a film that will lie at `path`: by its name if it was named, any other by its place.
 * @param given what the user named (default: the starter), which `resolved` is the file of.
 */
export async function modelReference(
  given: string | undefined,
  resolved: string,
  path: string,
  options: LongCallOptions = {},
): Promise<CheckpointReference> {
  const name = await recordedName(given ?? defaultModel);
  if (name === undefined) return referenceTo(resolved, path, options);
  return { path: name, sha256: await sha256OfFile(resolved, options) };
}

/**
 * The decoder of a film: the checkpoint that is given, else the one in the film, else the known model of the recorded SHA-256, else the
 * checkpoint at the recorded place or beside the film.
 * @param path of the film.
 * @returns a tokenizer with its decoder alone, to be freed by the caller.
 * @throws CoordTokError `checkpoint` when none of them made the film.
 */
export async function loadFilmDecoder(
  path: string,
  film: Film<AnyTokenizerConfig>,
  options: NamingOptions & { readonly checkpoint?: string | undefined },
): Promise<AnyTokenizer> {
  const { checkpoint: given, signal, onWarning } = options;
  if (given === undefined && film.hasDecoder) return embeddedDecoder(film, signal);
  const naming = pickOptions(options, namingOptionNames);
  const place =
    given === undefined
      ? await findModel(path, recordedModel(path, film), "was made with", naming)
      : await resolveModel(given, naming);
  const isOther =
    given !== undefined && film.checkpoint && (await sha256OfFile(place, { signal })) !== film.checkpoint.sha256;
  const onConfig = (config: AnyTokenizerConfig): void => {
    if (!isDeepStrictEqual(config, film.config))
      throw new CoordTokError(
        "checkpoint",
        `The checkpoint "${place}" has another configuration than the one that made the triplane; name the checkpoint that made it.`,
      );
  };
  const model = await loadPretrained(place, { signal, part: "decoder", onConfig });
  if (isOther) onWarning?.(`"${path}" was made with another checkpoint than "${place}"; its frames may look wrong.`);
  return model;
}

async function embeddedDecoder(film: Film<AnyTokenizerConfig>, signal: AbortSignal | undefined): Promise<AnyTokenizer> {
  const { config } = film;
  if (config.form === "paper") {
    const decoder = nestTensors(await film.readDecoder(decoderShapes(config), { signal })) as DecoderParams;
    return CoordTok.from(config, { decoder });
  }
  const shapes = [...latticeParamShapes(config)].filter(([name]) => name.startsWith("decoder."));
  const own = new Map(shapes.map(([name, shape]) => [name.slice("decoder.".length), shape]));
  const decoder = nestTensors(await film.readDecoder(own, { signal })) as LatticeDecoderParams;
  return LatticeCoordTok.from(config, { decoder });
}

function recordedModel(path: string, { checkpoint }: Film<AnyTokenizerConfig>): CheckpointReference {
  if (checkpoint !== undefined) return checkpoint;
  throw new CoordTokError("checkpoint", `"${path}" does not say which checkpoint made it; name that checkpoint.`, {
    options: { checkpoint: undefined },
  });
}
