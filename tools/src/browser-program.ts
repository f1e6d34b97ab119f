import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

/** The path of the first of some programs that is on PATH and executable. */
export function programOnPath(names: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names)
    for (const folder of folders)
      try {
        const path = join(folder, name);
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not this one.
      }
  return undefined;
}

/** The browsers that pages are opened in. */
export const browserNames: readonly string[] = ["chromium", "chromium-browser", "google-chrome"];

const flags =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/**
 * Opens a page in a headless browser and gives what its program leaves in the global `outcome`, a promise.
 * @throws what the page's program throws.
 */
export async function outcomeOfPage<T>(program: string, address: string): Promise<T> {
  const browser = await chromium.launch({ executablePath: program, args: flags.split(" ") });
  try {
    const page = await browser.newPage();
    const failures: Error[] = [];
    page.on("pageerror", (error) => failures.push(error));
    await page.goto(address);
    await page
      .waitForFunction(() => "outcome" in globalThis, undefined, { timeout: 30_000 })
      .catch(() => {
        throw failures[0] ?? new Error("The page did not start its program.");
      });
    return await page.evaluate(() => (globalThis as unknown as { outcome: Promise<T> }).outcome);
  } finally {
    await browser.close();
  }
}
