import type { AnyCommand } from "../command.js";
import { completionCommand } from "./completion.js";
import { convertCommand } from "./convert.js";
import { decodeCommand } from "./decode.js";
import { demoCommand } from "./demo.js";
import { doctorCommand } from "./doctor.js";
import { encodeCommand } from "./encode.js";
import { encodeDatasetCommand } from "./encode-dataset.js";
import { evaluateCommand } from "./evaluate.js";
import { infoCommand } from "./info.js";
import { modelsCommand } from "./models.js";
import { pullCommand } from "./pull.js";
import { reconstructCommand } from "./reconstruct.js";
import { sampleCommand } from "./sample.js";
import { setupCommand } from "./setup.js";
import { trainDiffusionCommand } from "./train-diffusion.js";
import { trainTokenizerCommand } from "./train-tokenizer.js";
import { viewCommand } from "./view.js";

/** All commands, in the order of the help. */
export const commands: readonly AnyCommand[] = [
  demoCommand,
  setupCommand,
  doctorCommand,
  infoCommand,
  trainTokenizerCommand,
  encodeCommand,
  decodeCommand,
  reconstructCommand,
  viewCommand,
  pullCommand,
  modelsCommand,
  convertCommand,
  encodeDatasetCommand,
  trainDiffusionCommand,
  sampleCommand,
  evaluateCommand,
  completionCommand(() => commands),
];
