import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { openFiles } from "../open-files.js";
import type { Session } from "../session.js";
import type { SceneName } from "../state.js";
import { useStore } from "../store.js";

const scenes: readonly { readonly name: SceneName; readonly title: string }[] = [
  { name: "butterfly", title: "Butterfly" },
  { name: "stream", title: "Stream" },
  { name: "shapes", title: "Shapes" },
  { name: "pattern", title: "Moving pattern" },
];

/** The name of the page, the scenes, and where files are opened. */
export function Header({ session }: { session: Session }): JSX.Element {
  const shown = useStore(session.state, (state) => state.shown);
  const ready = useStore(session.state, (state) => state.model !== undefined);
  return (
    <header class="top">
      <a class="wordmark" href="#" aria-label="CoordTok, from the start">
        <Mark />
        CoordTok
      </a>
      <nav class="scenes" aria-label="Videos">
        {scenes.map(({ name, title }) => (
          <button
            type="button"
            class="chip"
            key={name}
            disabled={!ready}
            aria-pressed={shown?.scene === name}
            onClick={() => void session.openScene(name)}
          >
            {title}
          </button>
        ))}
        <OpenButton session={session} />
      </nav>
    </header>
  );
}

/** Three planes that meet. */
function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path d="M3 11.5 14 6v14.5L3 26z" fill="var(--xt)" />
      <path d="M14 6l15 0v14.5H14z" fill="var(--xy)" />
      <path d="M14 20.5h15L18 26H3z" fill="var(--yt)" />
    </svg>
  );
}

function OpenButton({ session }: { session: Session }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="chip chip-open" onClick={() => input.current!.click()}>
        Open a file…
      </button>
      <input
        ref={input}
        type="file"
        class="hidden"
        multiple
        tabIndex={-1}
        aria-label="Open a video, pictures, planes or a checkpoint"
        onChange={(event) => {
          void openFiles(session, [...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
