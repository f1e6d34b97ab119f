// Makes checkpoints with random weights at full size, to time sampling: random-generator.ts FOLDER SIT_PRESET TOKENIZER_PRESET
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { defaultFlow, encodeGenerator, preset as sitPreset } from "@coordtok/diffusion";
import { encodeTokenizer, preset } from "@coordtok/tokenizer";
import { createDecoderParams, createEncoderParams } from "@coordtok/tokenizer/model";
import { perPlane } from "@coordtok/triplane";
import { repeatingInitializer, repeatingSiTParams } from "../weights.js";

const [folder = "random", sitName = "S/2", tokenizerName = "S"] = process.argv.slice(2);
await loadBackend("auto");
await mkdir(folder, { recursive: true });

const config = preset(tokenizerName);
const tokenizer = {
  encoder: createEncoderParams(config, repeatingInitializer),
  decoder: createDecoderParams(config, repeatingInitializer),
};
await writeAtomically(join(folder, "tokenizer.safetensors"), encodeTokenizer(config, tokenizer), { overwrite: true });

const model = sitPreset(sitName);
const generator = { model, flow: defaultFlow, params: repeatingSiTParams(model) };
await writeAtomically(join(folder, "generator.safetensors"), encodeGenerator(generator), { overwrite: true });

const { channels } = model.planes;
const statistics = perPlane(() => ({
  count: 1,
  mean: new Array<number>(channels).fill(0),
  squares: new Array<number>(channels).fill(1),
}));
await writeAtomically(join(folder, "statistics.json"), JSON.stringify(statistics), { overwrite: true });
