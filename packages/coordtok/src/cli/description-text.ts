import { bytesText, countText, durationText, groupedText, tableText } from "@coordtok/core/text";
import type { CheckpointReference } from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import type { ForeignWeights } from "../convert/describe.js";
import { tokenizerFacts } from "../convert/tokenizer-model.js";
import type { FileDescription } from "../inspect/describe-file.js";
import type { LatentIndex } from "../latents/index-file.js";

/** Formats what `info` prints about a file. */
export function descriptionText(description: FileDescription): string {
  if (description.what === "video") return videoText(description);
  if (description.what === "weights") return tableText(foreignWeightsRows(description));
  const { config, path, bytes } = description;
  const shared = tokenizerFacts(config);
  if (description.what === "triplane") {
    const { source, checkpoint, embeddedDecoder, precision } = description;
    return tableText([
      ["file", `triplane, ${path} (${bytesText(bytes)})`],
      [
        "source",
        `${source.frames} frames of ${source.name} (${source.width}x${source.height}), ${source.fps.toFixed(2)} per second`,
      ],
      ["decoder at", decoderPlace(embeddedDecoder, checkpoint)],
      ...(precision === undefined ? [] : [["precision", precision] as [string, string]]),
      ...shared,
    ]);
  }
  if (description.what === "latents") return tableText([...latentRows(description.index, path, bytes), ...shared]);
  const step = description.step === undefined ? "weights alone" : `after step ${description.step}, can be resumed`;
  return tableText([
    ["file", `tokenizer checkpoint, ${path} (${bytesText(bytes)})`],
    ["training", step],
    ["parameters", groupedText(description.parameters)],
    ...shared,
  ]);
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
    ["frames", info.frameCount === undefined ? "not stated in the file" : `${info.frameCount} according to the file`],
    ["rate", `${info.fps.toFixed(3).replace(/\.?0+$/, "")} per second`],
    ["duration", info.durationSeconds === undefined ? "not stated in the file" : durationText(info.durationSeconds)],
    ["codec", `${info.codec}, ${info.pixelFormat}`],
  ]);
}
