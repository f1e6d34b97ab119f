import type { JSX } from "preact";
import { storedNumbers } from "../edits.js";
import { count, decibels, ratio } from "../format.js";
import type { Session } from "../session.js";
import { useStore } from "../store.js";

/** The one sentence of the page, with the figures of what is shown. */
export function Hero({ session }: { session: Session }): JSX.Element {
  const film = useStore(session.state, (state) => state.film);
  const budget = useStore(session.state, (state) => state.edits.budget);
  const psnr = useStore(session.state, (state) => (state.decoded > 0 ? session.frames.psnr() : undefined));
  const size = useStore(session.state, () => `${String(session.frames.width)} × ${String(session.frames.height)}`);
  const pixels = film ? film.frames * film.picture.height * film.picture.width * 3 : 0;
  const numbers = film ? storedNumbers(film, budget) : 0;
  return (
    <section class="hero">
      <h1>
        A video, as <em>three planes</em>
      </h1>
      <p class="lead" aria-live="off">
        {film ? (
          <>
            {count(film.frames)} frames of {size}: <b class="number">{count(pixels)}</b> numbers, told by{" "}
            <b class="number">{count(numbers)}</b>. That is 1 for every{" "}
            <b class="number">{ratio(pixels / Math.max(1, numbers))}</b>
            {psnr !== undefined && (
              <>
                {" "}
                at <b class="number">{decibels(psnr)}</b>
              </>
            )}
            .
          </>
        ) : (
          "A tokenizer turns the frames into three small planes, and any pixel back from three of their cells. All of it happens in this page."
        )}
      </p>
    </section>
  );
}
