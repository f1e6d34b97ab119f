import { open } from "node:fs/promises";
import { StringDecoder } from "node:string_decoder";
import { CoordTokError } from "@coordtok/core";
import { fileReadError } from "@coordtok/core/node";

/** Longer lines are no paths. */
const longestLine = 10_000;

/** What a list is read from: a file, or pieces of a text such as standard input. */
export type ListSource = string | AsyncIterable<Uint8Array | string>;

/**
 * Yields the lines of a list that are not empty, without blanks around them. Memory holds one piece of it.
 * @throws CoordTokError `file-not-found`, `file-read`, `file-format` for a line of more than 10 000 characters or with a zero.
 */
export async function* listLines(source: ListSource): AsyncGenerator<string, void> {
  const what = typeof source === "string" ? `"${source}"` : "the list";
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let number = 0;
  for await (const piece of typeof source === "string" ? piecesOf(source) : source) {
    const lines = `${rest}${typeof piece === "string" ? piece : decoder.write(Buffer.from(piece))}`.split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const text = checkedLine(line, ++number, what);
      if (text !== "") yield text;
    }
    checkedLine(rest, number + 1, what);
  }
  const last = checkedLine(`${rest}${decoder.end()}`, number + 1, what);
  if (last !== "") yield last;
}

function checkedLine(line: string, number: number, what: string): string {
  if (line.length > longestLine || line.includes("\0"))
    throw new CoordTokError(
      "file-format",
      `Line ${number} of ${what} is no path or address: it is longer than 10 000 characters or holds zeros.`,
    );
  return line.trim();
}

async function* piecesOf(path: string): AsyncGenerator<Uint8Array, void> {
  const handle = await open(path).catch((thrown: unknown) => {
    throw fileReadError(thrown, path);
  });
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(65_536), 0, 65_536);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (thrown) {
    throw fileReadError(thrown, path);
  } finally {
    await handle.close();
  }
}
