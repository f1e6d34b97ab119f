import { bytesText, groupedText, tableText } from "@coordtok/core/text";
import { defineCommand, type AnyCommand } from "../command.js";
import { overwriteFlag } from "../common-flags.js";
import { choice, integer, text } from "../flags.js";

export const convertCommand: AnyCommand = defineCommand({
  name: "convert",
  summary: "convert official PyTorch weights into a checkpoint, and back",
  description:
    "Reads a PyTorch checkpoint (.pth, .pt; any version of torch.save) or safetensors with the official names and writes a checkpoint for the other commands; it never runs anything that the file names. One of our own checkpoints becomes safetensors with the official names, for PyTorch. The command finds the weights anywhere in the file, checks every name and shape, and infers the configuration from the shapes. The text log of the official trainer becomes a JSON file of latent statistics.",
  args: [
    { name: "IN", help: "the file to convert" },
    { name: "OUT", help: "the file to write, .safetensors; .json for statistics" },
  ],
  flags: {
    as: choice(
      "what the file is; raw copies every tensor unchanged, whatever it belongs to",
      ["tokenizer", "diffusion", "raw", "statistics"],
      { defaultText: "found out" },
    ),
    weights: choice("the moving average of a training, or the weights themselves", ["ema", "model"], {
      defaultText: "ema where there is one",
    }),
    dtype: choice("how numbers are stored", ["f32", "f16", "bf16"], { defaultText: "as they are, f64 as f32" }),
    part: choice("only one part of a tokenizer", ["encoder", "decoder"], { defaultText: "all" }),
    config: text("JSON with the configuration, ours or official arguments, where the shapes leave something open", {
      value: "file",
      defaultText: "from the shapes",
    }),
    statistics: text("latent statistics to go with a diffusion model: JSON, or the text log of the official trainer", {
      value: "file",
      defaultText: "none",
    }),
    heads: integer("attention heads, which shapes do not show", {
      minimum: 1,
      defaultText: "those of the published model of the same width",
    }),
    encoderHeads: integer("as --heads, for the encoder of a tokenizer", { minimum: 1 }),
    decoderHeads: integer("as --heads, for the decoder of a tokenizer", { minimum: 1 }),
    overwrite: overwriteFlag,
  },
  examples: [
    "convert CoordTok_UCF101_1M_50K.pth tokenizer.safetensors",
    "convert sit.pth sit.safetensors --statistics log.txt",
    "convert runs/first/checkpoints/step-001000.safetensors official.safetensors",
    "convert anything.pth anything.safetensors --as raw",
    "convert log.txt statistics.json",
  ],
  calls: "convertFile",
  run: async (context) => {
    const { args, flags, signal, onProgress } = context;
    const { convertFile } = await import("../../convert/convert.js");
    const { as, weights, dtype, part, config, statistics, heads, encoderHeads, decoderHeads, overwrite } = flags;
    const report = await convertFile(args[0]!, args[1]!, {
      as,
      weights,
      part,
      config,
      statistics,
      heads,
      encoderHeads,
      decoderHeads,
      overwrite,
      dtype: dtype === undefined ? undefined : storages[dtype],
      signal,
      onProgress,
      onWarning: context.warn,
    });
    const counts: [string, string][] =
      report.tensors === 0
        ? []
        : [["written", `${groupedText(report.tensors)} tensors, ${groupedText(report.parameters)} parameters`]];
    const output: [string, string] = ["output", `${report.output} (${bytesText(report.bytes)})`];
    return { lines: [tableText([...report.facts, ...counts, output])], data: report };
  },
});

const storages = { f32: "F32", f16: "F16", bf16: "BF16" } as const;
