import type { JSX } from "preact";
import { planesPng, saveAs, measurements } from "../export.js";
import type { Session } from "../session.js";
import { useStore } from "../store.js";

/** What can be taken away. */
export function ExportPanel({ session }: { session: Session }): JSX.Element {
  const has = useStore(session.state, (state) => state.edited !== undefined);
  const name = useStore(session.state, (state) => (state.shown?.name ?? "video").replace(/\.[^.]+$/, ""));
  const save = (extension: string, make: () => Promise<Blob | undefined>): void =>
    void make().then((blob) => {
      if (blob) saveAs(blob, `${name}${extension}`);
    });
  return (
    <section class="card" aria-labelledby="export-title">
      <h3 id="export-title">Take away</h3>
      <div class="buttons">
        <button
          type="button"
          class="button"
          disabled={!has}
          onClick={() => save(".mp4", () => session.saveVideo("mp4"))}
        >
          Video, mp4
        </button>
        <button
          type="button"
          class="button"
          disabled={!has}
          onClick={() => save(".webm", () => session.saveVideo("webm"))}
        >
          Video, webm
        </button>
        <button type="button" class="button" disabled={!has} onClick={() => save(".planes.png", () => planesPng())}>
          Planes, png
        </button>
        <button
          type="button"
          class="button"
          disabled={!has}
          onClick={() => save(".triplane.safetensors", () => session.savePlanes("triplane"))}
        >
          Planes, file
        </button>
        <button
          type="button"
          class="button"
          disabled={!has}
          onClick={() => save(".coordtok", () => session.savePlanes("coordtok"))}
        >
          Few bytes, .coordtok
        </button>
        <button
          type="button"
          class="button"
          disabled={!has}
          onClick={() => save(".json", () => Promise.resolve(measurements(session)))}
        >
          Figures, JSON
        </button>
      </div>
    </section>
  );
}
