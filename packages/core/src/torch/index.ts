export { looksLikeTorch } from "./looks-like-torch.js";
export { findStateDicts, tensorsWithin, type StateDict } from "./content.js";
export { openTorch, type TorchFile } from "./open.js";
export type { TorchName, TorchRecord, TorchStorage, TorchTensor, TorchValue } from "./values.js";
