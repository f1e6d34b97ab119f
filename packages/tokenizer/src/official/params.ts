import { checkOptions, longCallOptionNames, type LongCallOptions, type TensorFile } from "@coordtok/core";
import { paramsFromStateDict, stateDictFromParams } from "@coordtok/core/state-dict";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TokenizerConfig } from "../config.js";
import type { TokenizerParams } from "../params.js";
import { officialRows } from "./rows.js";

/**
 * Reads parameters from a state dict with the official names.
 * @param stateDict a file with exactly the tensors of `officialShapes(config)`: `openSafetensors`, or `openTorch` of `@coordtok/core/torch`.
 * @returns the tree of parameters, owned by the caller.
 * @throws CoordTokError `checkpoint` for a missing, unexpected or misshapen tensor; `aborted`.
 */
export async function paramsFromOfficial(
  config: TokenizerConfig,
  stateDict: TensorFile,
  options?: LongCallOptions,
): Promise<TokenizerParams> {
  checkOptions(options, longCallOptionNames, "paramsFromOfficial");
  return (await paramsFromStateDict(officialRows(config), stateDict, options)) as TokenizerParams;
}

/**
 * Converts parameters to a state dict with the official names, the inverse of {@link paramsFromOfficial}. Gradients and optimizer
 * moments have the form of the parameters, so they can be converted too.
 * @returns new tensors, owned by the caller.
 */
export async function officialFromParams(
  config: TokenizerConfig,
  params: TokenizerParams,
): Promise<Map<string, Tensor>> {
  return stateDictFromParams(officialRows(config), params);
}
