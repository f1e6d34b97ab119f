import type { ReadSettings } from "../media/messages.js";
import type { Session } from "./session.js";

/** What a file holds, by its name and its first bytes. */
type FileKind = "planes" | "bitstream" | "checkpoint" | "generator" | "picture" | "video" | "weights";

/** Opens files that were chosen, dropped or given: one video, some pictures as a clip, planes, or a checkpoint. */
export async function openFiles(session: Session, files: readonly File[], settings?: ReadSettings): Promise<void> {
  const [first] = files;
  if (!first) return;
  session.state.set({ error: undefined, busy: { what: "Opening", done: 0, unit: "" } });
  const read = settings ?? session.state.get().reading;
  const kinds = await Promise.all(files.map(kindOf));
  if (kinds.every((kind) => kind === "picture")) {
    const sorted = [...files].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    session.reading.remember((again) => session.openPictures(sorted, sorted[0]!.name, again));
    return session.openPictures(sorted, sorted[0]!.name, read);
  }
  if (kinds.every((kind) => kind === "checkpoint" || kind === "generator")) {
    const ofKind = (wanted: FileKind): File | undefined => files.find((_, i) => kinds[i] === wanted);
    return session.openCheckpoints(ofKind("checkpoint"), ofKind("generator"));
  }
  if (files.length > 1) {
    session.showError(
      "Expected one file, several pictures as the frames of a clip, or a generator with its tokenizer; choose one of these.",
    );
    return;
  }
  const [kind] = kinds;
  if (kind === "planes" || kind === "bitstream") return session.openPlanes(first, first.name);
  if (kind === "weights") {
    session.showError(
      `"${first.name}" holds weights of PyTorch; make a checkpoint of it on the command line (coordtok convert) and open that.`,
    );
    return;
  }
  session.reading.remember((again) => session.openVideo(first, first.name, again));
  return session.openVideo(first, first.name, read);
}

async function kindOf(file: File): Promise<FileKind> {
  const head = new Uint8Array(await file.slice(0, 65536).arrayBuffer());
  const text = String.fromCharCode(...head.subarray(0, 16));
  if (/\.coordtok$/i.test(file.name)) return "bitstream";
  if (/\.safetensors$/i.test(file.name)) {
    const kind = await storedKind(file);
    return kind === "triplane" ? "planes" : kind === "diffusion" ? "generator" : "checkpoint";
  }
  if (/\.(pth|pt|bin)$/i.test(file.name)) return "weights";
  if (text.startsWith("\u0089PNG") || text.startsWith("\u00ff\u00d8\u00ff") || /^RIFF....WEBP/s.test(text))
    return "picture";
  return "video";
}

/** Headers of safetensors files are read up to here. */
const mostHeader = 16 * 2 ** 20;

/** What a safetensors file says that it holds. */
async function storedKind(file: Blob): Promise<string | undefined> {
  const length = new DataView(await file.slice(0, 8).arrayBuffer());
  if (length.byteLength < 8) return undefined;
  const size = Math.min(mostHeader, Number(length.getBigUint64(0, true)));
  return /"coordtok\.kind"\s*:\s*"([a-z-]+)"/.exec(await file.slice(8, 8 + size).text())?.[1];
}
