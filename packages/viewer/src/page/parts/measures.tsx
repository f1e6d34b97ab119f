import type { ComponentChildren, JSX } from "preact";
import { planeNames, storedNumbers, tokenCount } from "../edits.js";
import { bytesText, count, decibels, percent, ratio, seconds } from "../format.js";
import type { Session } from "../session.js";
import { useStore } from "../store.js";

/** What the planes take, and how good the video is. */
export function Measures({ session }: { session: Session }): JSX.Element {
  const film = useStore(session.state, (state) => state.film);
  const budget = useStore(session.state, (state) => state.edits.budget);
  const rate = useStore(session.state, (state) => state.rate);
  const timing = useStore(session.state, (state) => state.timing);
  const source = useStore(session.state, (state) => state.shown?.source);
  const psnr = useStore(session.state, (state) => (state.decoded > 0 ? session.frames.psnr() : undefined));
  const pixels = film ? film.frames * film.picture.height * film.picture.width * 3 : undefined;
  const numbers = film && storedNumbers(film, budget);
  return (
    <section class="card" aria-label="Figures">
      <dl class="figures">
        <Figure name="PSNR" large>
          {psnr === undefined ? "–" : decibels(psnr)}
        </Figure>
        <Figure name="Pixels a number" large>
          {pixels !== undefined && numbers !== undefined && numbers > 0 ? ratio(pixels / numbers) : "–"}
        </Figure>
        <Figure name="Tokens">{film ? count(tokenCount(film)) : "–"}</Figure>
        <Figure name="Numbers">{numbers === undefined ? "–" : count(numbers)}</Figure>
        {rate && <Figure name="Coded">{bytesText(rate.bytes)}</Figure>}
        {rate && film && (
          <Figure name="Bits a pixel">
            {((rate.bytes * 8) / (film.frames * film.picture.height * film.picture.width)).toFixed(3)}
          </Figure>
        )}
        {timing && (
          <Figure name={`First ${String(timing.width)} × ${String(timing.height)} pixels`}>
            {seconds(timing.firstSeconds)}
          </Figure>
        )}
        {timing?.allSeconds !== undefined && <Figure name="All frames">{seconds(timing.allSeconds)}</Figure>}
        {source && <Figure name="The file">{bytesText(source.bytes)}</Figure>}
        {rate && source && <Figure name="Coded, of the file">{percent(rate.bytes / source.bytes)}</Figure>}
      </dl>
      {rate && <BytesBar bytes={rate.planes} total={rate.bytes} />}
    </section>
  );
}

function Figure({
  name,
  large,
  children,
}: {
  name: string;
  large?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class={large ? "figure figure-large" : "figure"}>
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
    </div>
  );
}

function BytesBar({
  bytes,
  total,
}: {
  bytes: Readonly<Record<"xy" | "yt" | "xt", number>>;
  total: number;
}): JSX.Element {
  return (
    <div
      class="bytes-bar"
      role="img"
      aria-label={planeNames.map((name) => `${name} ${bytesText(bytes[name])}`).join(", ")}
    >
      {planeNames.map((name) => (
        <span key={name} class={`bytes-${name}`} style={{ flexGrow: bytes[name] / total }}>
          {name}
        </span>
      ))}
    </div>
  );
}
