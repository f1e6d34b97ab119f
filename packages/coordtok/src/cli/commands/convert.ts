import { bytesText, groupedText, tableText } from "@coordtok/core/text";
import { defineCommand, type AnyCommand } from "../command.js";
import { codingFlags, overwriteFlag } from "../common-flags.js";
import { choice, integer, text } from "../flags.js";

export const convertCommand: AnyCommand = defineCommand({
  name: "convert",
  summary: "convert official PyTorch weights into a checkpoint, films between their formats, and back",
  description:
    "Reads a PyTorch checkpoint (.pth, .pt; any version of torch.save) or safetensors with the official names and writes a checkpoint for the other commands; it never runs anything that the file names. A checkpoint of CoordTok.ts is converted to safetensors with the official names, for PyTorch. Tokenizers of the lattice form have the names of their PyTorch reference. The command finds the weights anywhere in the file, checks every name and shape, and infers the configuration from the shapes. The text log of the official trainer is converted to a JSON file of latent statistics. A film in a triplane file is converted to a .coordtok file, and back.",
  args: [
    { name: "IN", help: "the file to convert" },
    { name: "OUT", help: "the file to write, .safetensors; .json for statistics, .coordtok for planes in few bytes" },
  ],
  flags: {
    as: choice("kind of the file; raw copies every tensor unchanged", ["tokenizer", "diffusion", "raw", "statistics"], {
      defaultText: "detected",
    }),
    weights: choice("which weights of a training: the moving average, or the weights themselves", ["ema", "model"], {
      defaultText: "ema if the file has one",
    }),
    dtype: choice("number format of the output", ["f32", "f16", "bf16"], {
      defaultText: "that of the input, f32 for f64",
    }),
    part: choice("convert only one part of a tokenizer", ["encoder", "decoder"], { defaultText: "all" }),
    config: text("JSON file with the configuration, ours or official arguments, when the shapes do not determine it", {
      value: "file",
      defaultText: "inferred from the shapes",
    }),
    statistics: text(
      "latent statistics to store with a diffusion model: JSON, or the text log of the official trainer",
      {
        value: "file",
        defaultText: "none",
      },
    ),
    heads: integer("attention heads, which the shapes do not determine", {
      minimum: 1,
      defaultText: "those of the published model of the same width",
    }),
    encoderHeads: integer("like --heads, for the encoder of a tokenizer", { minimum: 1 }),
    decoderHeads: integer("like --heads, for the decoder of a tokenizer", { minimum: 1 }),
    ...codingFlags,
    overwrite: overwriteFlag,
  },
  examples: [
    "convert CoordTok_UCF101_1M_50K.pth tokenizer.safetensors",
    "convert sit.pth sit.safetensors --statistics log.txt",
    "convert lattice.safetensors tokenizer.safetensors",
    "convert runs/first/checkpoints/step-001000.safetensors official.safetensors",
    "convert anything.pth anything.safetensors --as raw",
    "convert log.txt statistics.json",
    "convert film.triplane.safetensors film.coordtok --step 1/16",
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
      step: flags.step,
      quality: flags.quality,
      dtype: dtype === undefined ? undefined : storages[dtype],
      signal,
      onProgress,
      onWarning: context.warn,
    });
    const counts: [string, string][] =
      report.tensors === 0
        ? []
        : [
            [
              "written",
              `${groupedText(report.tensors)} ${report.as === "film" ? "planes" : "tensors"}, ${groupedText(report.parameters)} ${report.as === "film" ? "numbers" : "parameters"}`,
            ],
          ];
    const output: [string, string] = ["output", `${report.output} (${bytesText(report.bytes)})`];
    return { lines: [tableText([...report.facts, ...counts, output])], data: report };
  },
});

const storages = { f32: "F32", f16: "F16", bf16: "BF16" } as const;
