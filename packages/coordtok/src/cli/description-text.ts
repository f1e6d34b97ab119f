import { bytesText, countText, durationText, groupedText, tableText } from "@coordtok/core/text";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import type { CheckpointReference } from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import type { ForeignWeights } from "../convert/describe.js";
import { tokenizerFacts } from "../convert/tokenizer-model.js";
import type { CodingFacts, FileDescription } from "../inspect/describe-file.js";
import { refinementRows } from "./common-flags.js";
import type { LatentIndex } from "../latents/index-file.js";

/** Formats what `info` prints about a file. */
export function descriptionText(description: FileDescription): string {
  if (description.what === "video") return videoText(description);
  if (description.what === "weights") return tableText(foreignWeightsRows(description));
  const { config, path, bytes } = description;
  const shared = modelRows(config);
  if (description.what === "triplane") return tableText([...filmRows(description), ...shared]);
  if (description.what === "latents") return tableText([...latentRows(description.index, path, bytes), ...shared]);
  const step = description.step === undefined ? "weights alone" : `after step ${description.step}, can be resumed`;
  return tableText([
    ["file", `tokenizer checkpoint, ${path} (${bytesText(bytes)})`],
    ["training", step],
    ["parameters", groupedText(description.parameters)],
    ...shared,
  ]);
}

/** The form of a tokenizer, for people. */
function modelRows(config: AnyTokenizerConfig): [string, string][] {
  if (config.form === "paper") return tokenizerFacts(config);
  const { width, heads, videoLayers, latentLayers, decoderLayers, channels } = config;
  return [
    ["model", "lattice form, any size and length"],
    ["encoder", `width ${width}, ${heads} heads, ${videoLayers} + ${latentLayers} blocks`],
    ["decoder", `width ${width}, ${heads} heads, ${decoderLayers} blocks`],
    ["planes", `${channels} channels, one cell for 4 frames of 8x8 pixels`],
  ];
}

function filmRows(film: Extract<FileDescription, { readonly what: "triplane" }>): [string, string][] {
  const { path, bytes, source, size, windows, tiles, tokens, floats, budget, dtype, precision } = film;
  const rate = source.timestampsSeconds === undefined ? "" : " on average, at varying times";
  const { coding, refinement } = film;
  const kept = budget === undefined ? "" : `, ${budget.content} + ${budget.motion} channels`;
  const inTiles = tiles === 1 ? "" : ` of ${tiles} tiles`;
  return [
    ["file", `${coding ? "film of coded planes" : "triplane"}, ${path} (${bytesText(bytes)})`],
    [
      "source",
      `${source.frames} frames of ${source.name} (${source.width}x${source.height}), ${source.fps.toFixed(2)} per second${rate}`,
    ],
    ["film", `${countText(windows.length, "window")}${inTiles}, ${size.width}x${size.height}`],
    [
      "stored",
      `${groupedText(tokens ?? 0)} tokens, ${groupedText(floats ?? 0)} numbers ${coding ? "in few bytes" : `as ${dtype}`}${kept}`,
    ],
    ...(coding ? codingRows(coding, film) : []),
    ...refinementRows(refinement),
    ["decoder at", decoderPlace(film.embeddedDecoder, film.checkpoint)],
    ...(precision === undefined ? [] : [["precision", precision] as [string, string]]),
  ];
}

/** Where the bytes of a film of coded planes go. */
function codingRows(
  { windows, pieces, factBytes, indexBytes }: CodingFacts,
  { bytes, source, windows: lengths }: Extract<FileDescription, { readonly what: "triplane" }>,
): [string, string][] {
  const seconds = source.frames / source.fps;
  const share = (part: number): string => `${groupedText(part)} bytes, ${((100 * part) / bytes).toFixed(1)} %`;
  const rangeOf = (values: readonly number[], text: (value: number) => string): string => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return least === most ? text(least) : `${text(least)} to ${text(most)}`;
  };
  const channels = (name: "content" | "motion"): string =>
    rangeOf(
      windows.map(({ budget }) => budget[name]),
      String,
    );
  const steps = rangeOf(
    windows.map(({ step }) => step),
    stepText,
  );
  const psnr = windows.flatMap(({ psnrDb }) => (psnrDb === undefined ? [] : [psnrDb]));
  return [
    ["rate", `${((8 * bytes) / 1000 / seconds).toFixed(1)} kbit/s, ${bytesText(Math.round(bytes / seconds))} a second`],
    [
      "windows",
      `${rangeOf(
        lengths.map(({ frames }) => frames),
        String,
      )} frames, ${channels("content")} + ${channels("motion")} channels, step ${steps}`,
    ],
    ...(psnr.length === 0
      ? []
      : [["PSNR", `${rangeOf(psnr, (value) => value.toFixed(1))} dB, by window`] as [string, string]]),
    ["header", `${share(factBytes)} facts; ${share(indexBytes)} index`],
    ...pieces.map(({ plane, first, end, bytes: size, numbers }): [string, string] => [
      plane,
      `channels ${first} to ${end - 1}: ${share(size)}, ${((8 * size) / numbers).toFixed(2)} bits a number`,
    ]),
  ];
}

function stepText(step: number): string {
  // Steps are multiples of 1/65536, so that 1/6 is not quite one.
  const inverse = Math.round(1 / step);
  return inverse > 1 && Math.abs(step - 1 / inverse) < 1 / 65536 ? `1/${inverse}` : String(step);
}

function decoderPlace(embedded: boolean, checkpoint: CheckpointReference | undefined): string {
  if (embedded) return "in the file";
  return checkpoint === undefined
    ? "not recorded; decode it with --checkpoint"
    : `${checkpoint.path} (SHA-256 ${checkpoint.sha256.slice(0, 12)}…)`;
}

function foreignWeightsRows({ path, bytes, format, weights }: ForeignWeights): [string, string][] {
  const rows: [string, string][] = [
    ["file", `${format === "safetensors" ? "" : "checkpoint of "}${format}, ${path} (${bytesText(bytes)})`],
  ];
  const shown = weights.slice(0, 8);
  for (const { place, model, tensors, parameters, dtypes } of shown) {
    const what = model === undefined ? "of an unknown model" : `of the published ${model}`;
    const where = place === "" ? "" : `${place}: `;
    const size = `${countText(tensors, "tensor")}, ${groupedText(parameters)} parameters, ${dtypes.join(" ")}`;
    rows.push(["weights", `${where}${what}, ${size}`]);
  }
  if (weights.length > shown.length) rows.push(["weights", `and ${weights.length - shown.length} more`]);
  if (weights.length === 0) rows.push(["weights", "none found"]);
  const isKnown = weights.some(({ model }) => model !== undefined);
  rows.push([
    "to use it",
    isKnown ? `coordtok convert ${path} OUT.safetensors` : `coordtok convert ${path} OUT.safetensors --as raw`,
  ]);
  return rows;
}

function latentRows(index: LatentIndex, path: string, bytes: number): [string, string][] {
  const { clips, shards, classes, skipped, complete, checkpoint } = index;
  return [
    ["folder", `latents, ${path} (${countText(shards.length, "file")}, ${bytesText(bytes)})`],
    ["clips", `${groupedText(clips)}${complete ? "" : ", not complete: run encode-dataset again"}`],
    ["classes", classes.length === 0 ? "none" : `${classes.length}: ${classes.join(", ")}`],
    ["skipped", countText(skipped.length, "video")],
    ["made by", `${checkpoint.path} (SHA-256 ${checkpoint.sha256.slice(0, 12)}…)`],
  ];
}

function videoText(info: VideoInfo): string {
  return tableText([
    ["file", `video, ${info.path}`],
    ["size", `${info.width}x${info.height}${info.rotation === 0 ? "" : `, rotated by ${info.rotation} degrees`}`],
    ["frames", framesText(info)],
    ["rate", `${info.fps.toFixed(3).replace(/\.?0+$/, "")} per second`],
    ["duration", info.durationSeconds === undefined ? "not stated in the file" : durationText(info.durationSeconds)],
    ["codec", `${info.codec}, ${info.pixelFormat}`],
  ]);
}

function framesText({ frameCount, frameCountFrom }: VideoInfo): string {
  if (frameCount === undefined) return "not stated in the file";
  if (frameCountFrom === "decoding") return `${frameCount} that decode`;
  return frameCountFrom === "duration" ? `about ${frameCount} by its duration` : `${frameCount} according to the file`;
}
