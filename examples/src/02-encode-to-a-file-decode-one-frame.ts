// Encodes a video to a small file and decodes one frame from it without decoding the others.
// Usage: 02-encode-to-a-file-decode-one-frame.ts VIDEO CHECKPOINT [FRAME]
import { encodePng } from "@coordtok/video/node";
import { loadBackend } from "@coordtok/backend";
import { disposeTree, rgbFromClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { decode } from "@coordtok/tokenizer/model";
import { disposeTriplane } from "@coordtok/triplane";
import { encodeVideo, readTriplane } from "coordtok";

const [video, checkpoint, frame = "5"] = process.argv.slice(2);
if (video === undefined || checkpoint === undefined) throw new Error("Usage: VIDEO CHECKPOINT [FRAME]");

const out = "clip.triplane.safetensors";
const { bytes, tokens } = await encodeVideo(video, { checkpoint, out, embedDecoder: true, dtype: "F16" });
console.log(`${out}: ${tokens} tokens, ${bytes} bytes with the decoder in it`);

await loadBackend();
const { triplane, decoder, config } = await readTriplane(out);
if (decoder === undefined) throw new Error("The file holds no decoder.");
const clip = await decode(decoder, config, triplane, { times: [Number(frame)] });
const { width, height, data } = await rgbFromClip(clip);
disposeTriplane(triplane);
disposeTree(decoder);
clip.frames.dispose();

await writeAtomically("frame.png", encodePng({ width, height, data }));
console.log(`frame.png: frame ${frame} of ${width}x${height}`);
