import { checkOptions, longCallOptionNames, type LongCallOptions, type TensorFile } from "@coordtok/core";
import { checkStateDict, paramsFromStateDict, stateDictFromParams } from "@coordtok/core/state-dict";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import type { SiTConfig } from "../config.js";
import type { SiTParams } from "../model/params.js";
import { checkOfficialPositions, officialPositions } from "./positions.js";
import { officialRows } from "./rows.js";

/**
 * Reads parameters from a state dict with the official names.
 * @param stateDict a file with exactly the tensors of `officialShapes(config)`: `openSafetensors`, or `openTorch` of `@coordtok/core/torch`.
 * @returns the tree of parameters, owned by the caller.
 * @throws CoordTokError `checkpoint` for a missing, unexpected or misshapen tensor, or fixed positions that are not the usual ones;
 * `aborted`.
 */
export async function paramsFromOfficial(
  config: SiTConfig,
  stateDict: TensorFile,
  options?: LongCallOptions,
): Promise<SiTParams> {
  checkOptions(options, longCallOptionNames, "paramsFromOfficial");
  const rows = officialRows(config);
  const { name, shape } = officialPositions(config);
  const others = new Map([[name, shape]]);
  checkStateDict(rows, stateDict, others);
  checkOfficialPositions(config, await stateDict.readNumbers(name));
  return (await paramsFromStateDict(rows, stateDict, { ...options, others })) as SiTParams;
}

/**
 * Converts parameters to a state dict with the official names, the inverse of {@link paramsFromOfficial}. Gradients and optimizer
 * moments have the form of the parameters, so they can be converted too.
 * @returns new tensors, owned by the caller.
 */
export async function officialFromParams(config: SiTConfig, params: SiTParams): Promise<Map<string, Tensor>> {
  const stateDict = await stateDictFromParams(officialRows(config), params);
  const { name, shape, values } = officialPositions(config);
  return stateDict.set(name, tensor(values(), [...shape]));
}
