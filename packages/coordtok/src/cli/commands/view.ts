import { jsonText, plainText } from "@coordtok/core/text";
import { defineCommand, type AnyCommand } from "../command.js";
import { integer } from "../flags.js";

export const viewCommand: AnyCommand = defineCommand({
  name: "view",
  summary: "serve the page that shows a video as planes, with a file already open",
  description:
    "Serves the page of @coordtok/viewer to this machine alone and prints its address: original, reconstruction and planes side by side, edits of the planes, refinement, export. A video (mp4, mov, webm, mkv), a .triplane.safetensors file or a picture is open at once; others are dropped on the page. Everything is computed in the browser, and nothing is sent anywhere. Ctrl-C ends it.",
  args: [{ name: "FILE", help: "a video, a triplane file or a checkpoint to open", optional: true }],
  flags: {
    port: integer("port on 127.0.0.1", { minimum: 1, maximum: 65535, defaultText: "a free one" }),
  },
  examples: ["view", "view clip.mp4", "view clip.triplane.safetensors --port 8080"],
  run: async ({ args, flags, signal, note }) => {
    const { pageFolder } = await import("@coordtok/viewer/node");
    const { servePage } = await import("../../view/serve-page.js");
    const page = await servePage({ folder: await pageFolder(), file: args[0], port: flags.port });
    try {
      // What comes at the end of other commands has to be known now.
      const { address } = page;
      process.stdout.write(`${flags.json ? jsonText({ address }, 2) : plainText(address, Infinity)}\n`);
      note("Open this address in a browser on this machine; Ctrl-C ends the serving.");
      if (!signal.aborted) await new Promise((done) => signal.addEventListener("abort", done, { once: true }));
    } finally {
      await page.close();
    }
    return { lines: [], data: undefined };
  },
});
