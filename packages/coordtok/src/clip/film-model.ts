import { isDeepStrictEqual } from "node:util";
import { CoordTokError, nestTensors, type LongCallOptions, type Notices } from "@coordtok/core";
import { sha256OfFile } from "@coordtok/core/node";
import { CoordTok, LatticeCoordTok, type AnyTokenizer, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import { latticeParamShapes, type LatticeDecoderParams } from "@coordtok/tokenizer/lattice";
import { decoderShapes, type DecoderParams } from "@coordtok/tokenizer/model";
import type { CheckpointReference, Film } from "@coordtok/triplane";
import { loadPretrained } from "../models/load-pretrained.js";
import { defaultModel, knownModels, resolveModel } from "../models/resolve-model.js";
import { findCheckpoint, referenceTo } from "./triplane-file.js";

/**
 * A reference to a model for a film that will lie at `path`: a known model by its name, any other by its place.
 * @param given what the user named (default: the starter), which `resolved` is the file of.
 */
export async function modelReference(
  given: string | undefined,
  resolved: string,
  path: string,
  options: LongCallOptions = {},
): Promise<CheckpointReference> {
  const name = given ?? defaultModel;
  if (!Object.hasOwn(knownModels, name)) return referenceTo(resolved, path, options);
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
  options: Pick<LongCallOptions, "signal"> & Pick<Notices, "onWarning"> & { readonly checkpoint?: string | undefined },
): Promise<AnyTokenizer> {
  const { checkpoint: given, signal, onWarning } = options;
  if (given === undefined && film.hasDecoder) return embeddedDecoder(film, signal);
  const place = given === undefined ? await findModel(path, film.checkpoint, signal) : await resolveModel(given);
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

async function findModel(
  path: string,
  reference: CheckpointReference | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (reference === undefined)
    throw new CoordTokError("checkpoint", `"${path}" does not say which checkpoint made it; name that checkpoint.`, {
      options: { checkpoint: undefined },
    });
  for (const name of Object.keys(knownModels)) {
    const place = await resolveModel(name);
    if ((await sha256OfFile(place, { signal })) === reference.sha256) return place;
  }
  return findCheckpoint(path, reference, "was made with", { signal });
}
