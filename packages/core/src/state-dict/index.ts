// Tables of names.
export { convolutionRules, linearRules, type StateDictLayout, type StateDictRule } from "./rules.js";
export { stateDictRows, stateDictShapes, type StateDictRow, type TheirShape } from "./rows.js";
// Conversion of tensors.
export {
  checkStateDict,
  ourTensors,
  paramsFromStateDict,
  stateDictFromParams,
  theirTensors,
  type StateDictOptions,
  type TransferredTensor,
} from "./tensors.js";
export { checkTensorNames } from "../checkpoint/assign.js";
export { bytesOfFloats } from "../checkpoint/safetensors-write.js";
