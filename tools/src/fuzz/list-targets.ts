import { createTar } from "nanotar";
import { listLines } from "../../../packages/coordtok/src/latents/list-lines.js";
import { tarMembers } from "../../../packages/coordtok/src/latents/tar-members.js";
import { checkStoredDeal } from "../../../packages/coordtok/src/latents/stored.js";
import { mutateJson } from "./mutate-json.js";
import { mutate } from "./mutate.js";
import type { FuzzTarget } from "./run-fuzz.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const block = 512;

/** An archive as tar writes it, with a name in a pax header. */
function archive(): Uint8Array {
  const record = "23 path=names/long.mp4\n";
  const pax = createTar([{ name: "pax", data: encoder.encode(record) }]).slice(0, 2 * block);
  pax[156] = "x".charCodeAt(0);
  const rest = createTar(["a.mp4", "b.json"].map((name) => ({ name, data: encoder.encode(`content of ${name}`) })));
  return withSums(Uint8Array.from([...pax, ...rest]));
}

/** Corrects the sums of all blocks that may be headers, so that changes get past them. */
function withSums(bytes: Uint8Array): Uint8Array {
  const mended = bytes.slice();
  for (let at = 0; at + block <= mended.length; at += block) {
    const header = mended.subarray(at, at + block);
    if (String.fromCharCode(...header.subarray(257, 262)) !== "ustar") continue;
    header.fill(32, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.set(encoder.encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  }
  return mended;
}

/** What is no JSON is read as nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Lists of videos, the archives in them, and deals of videos to parts. */
export function listTargets(): FuzzTarget[] {
  return [
    {
      name: "tar",
      weight: 2,
      seeds: [archive()],
      mutate: (seed, other, random) => {
        const changed = mutate(seed, other, random);
        return random.integer(4) === 0 ? changed : withSums(changed);
      },
      read: async (input, past) => {
        const source = {
          size: input.length,
          read: (offset: number, length: number) => {
            if (offset < 0 || offset + length > input.length)
              throw new Error(`read beyond the end: ${offset} ${length}`);
            return Promise.resolve(input.slice(offset, offset + length));
          },
        };
        let members = 0;
        for await (const { begin, bytes } of tarMembers(source, "x.tar")) {
          if (members === 0) past();
          if (begin + bytes > input.length) throw new Error("a member beyond the end");
          if (++members > input.length / block) throw new Error("more members than blocks");
        }
      },
    },
    {
      name: "list",
      seeds: [encoder.encode("videos/a.mp4\n\n https://example.org/b.tar?x=1 \r\nc d.mp4\n")],
      mutate,
      read: async (input, past) => {
        const pieces = (async function* () {
          for (let at = 0; at < input.length; at += 7) yield await Promise.resolve(input.subarray(at, at + 7));
        })();
        for await (const line of listLines(pieces))
          if (line === "" || line.includes("\n")) throw new Error("not one line");
        past();
      },
    },
    {
      name: "deal",
      seeds: [
        encoder.encode(
          JSON.stringify({
            kind: "coordtok.deal",
            version: 1,
            of: 3,
            settings: "[16,0,1,16,null]",
            boundaries: [
              { video: "a.mp4", stretch: 4 },
              { video: "b.mp4", stretch: 0 },
            ],
          }),
        ),
      ],
      mutate: (seed, _, random) => encoder.encode(mutateJson(decoder.decode(seed), random)),
      read: async (input, past) => {
        checkStoredDeal(parsed(decoder.decode(input)), "deal.json");
        past();
        return Promise.resolve();
      },
    },
  ];
}
