import "@fontsource-variable/inter/wght.css";
import "@fontsource/newsreader/400.css";
import "@fontsource/newsreader/400-italic.css";
import "./styles.css";
import { render } from "preact";
import { App } from "./app.js";
import { readLink, writeLink } from "./link.js";
import { openFiles } from "./open-files.js";
import { Session } from "./session.js";

const session = new Session();
render(<App session={session} />, document.getElementById("app")!);

async function main(): Promise<void> {
  const { scene, file } = readLink(session, location.hash);
  await session.start();
  if (file === undefined) await session.openScene(scene);
  else await openGiven(file);
  writeLink(session);
}

/** Opens the file that the program which serves the page was given. */
async function openGiven(path: string): Promise<void> {
  const answer = await fetch(path);
  if (!answer.ok) {
    session.showError(`The file that this page was opened with is no longer there (${String(answer.status)}).`);
    return;
  }
  const name = decodeURIComponent(path.slice("given/".length));
  await openFiles(session, [new File([await answer.blob()], name)]);
}

void main();
