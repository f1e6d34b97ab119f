import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { openFiles } from "./open-files.js";
import { BudgetPanel } from "./parts/budget.js";
import { BusyLine } from "./parts/busy.js";
import { EditsPanel } from "./parts/edits.js";
import { ExportPanel } from "./parts/export.js";
import { GeneratePanel } from "./parts/generate.js";
import { Header } from "./parts/header.js";
import { Hero } from "./parts/hero.js";
import { Measures } from "./parts/measures.js";
import { Planes } from "./parts/planes.js";
import { RefinePanel } from "./parts/refine.js";
import { SharesPanel } from "./parts/shares.js";
import { MachinePanel, SourcePanel } from "./parts/source.js";
import { Stage } from "./parts/stage.js";
import { Timeline } from "./parts/timeline.js";
import type { Session } from "./session.js";

/** The page. */
export function App({ session }: { session: Session }): JSX.Element {
  const over = useDrop(session);
  useKeys(session);
  return (
    <div class={over ? "page page-over" : "page"}>
      <Header session={session} />
      <main>
        <Hero session={session} />
        <BusyLine session={session} />
        <div class="player">
          <Stage session={session} />
          <Timeline session={session} />
        </div>
        <div class="below">
          <div class="left">
            <Planes session={session} />
            <div class="pair">
              <EditsPanel session={session} />
              <SharesPanel session={session} />
            </div>
          </div>
          <div class="right">
            <Measures session={session} />
            <GeneratePanel session={session} />
            <SourcePanel session={session} />
            <BudgetPanel session={session} />
            <RefinePanel session={session} />
            <ExportPanel session={session} />
            <MachinePanel session={session} />
          </div>
        </div>
      </main>
      <footer class="foot">
        <p>
          CoordTok: <cite>Efficient Long Video Tokenization via Coordinate-based Patch Reconstruction</cite>, arXiv
          2411.14762. This page computes everything here; your video stays on this machine.
        </p>
      </footer>
      {over && (
        <div class="drop" aria-hidden="true">
          Drop a video, pictures, planes or a checkpoint
        </div>
      )}
    </div>
  );
}

/** Opens files that are dropped on the page. */
function useDrop(session: Session): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    const onOver = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      void openFiles(session, [...(event.dataTransfer?.files ?? [])]);
    };
    document.addEventListener("dragover", onOver);
    document.addEventListener("dragleave", onLeave);
    document.addEventListener("drop", onDrop);
    return () => {
      document.removeEventListener("dragover", onOver);
      document.removeEventListener("dragleave", onLeave);
      document.removeEventListener("drop", onDrop);
    };
  }, [session]);
  return over;
}

/** Space plays, the arrows step, W wipes; not while something that has its own keys is in use. */
function useKeys(session: Session): void {
  useEffect(() => {
    const { clock, state } = session;
    const onKeyDown = (event: KeyboardEvent): void => {
      const target = event.target as Element;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (target.closest("input, select, textarea, [role=slider]")) return;
      if (event.key.startsWith("Arrow") && target.closest("[role=application]")) return;
      if (event.key === " " && !target.closest("button, a")) clock.toggle();
      else if (event.key === "ArrowLeft") clock.step(-1);
      else if (event.key === "ArrowRight") clock.step(1);
      else if (event.key === "w" && session.frames.hasOriginal)
        state.set({ view: state.get().view === "wipe" ? "three" : "wipe" });
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [session]);
}
