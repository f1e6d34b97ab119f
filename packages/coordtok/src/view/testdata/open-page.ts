import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RgbClip } from "@coordtok/core";
import { findProgram } from "@coordtok/core/node";
import { encodePng } from "@coordtok/video/node";
import { pageFolder } from "@coordtok/viewer/node";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { servePage, type ServedPage } from "../serve-page.js";

const names = ["chromium", "chromium-browser", "google-chrome"];
const found = await Promise.all(names.map((name) => findProgram(name)));
const program = found.find((path) => path !== undefined);

/** Why no page can be opened here; `undefined` where one can. */
export const noBrowser: string | undefined =
  program === undefined ? `none of ${names.join(", ")} on PATH` : undefined;

const flags =
  "--headless --no-sandbox --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/** The measurements that the page writes as JSON. */
export interface Figures {
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly psnrDb: number;
  readonly framePsnrDb: readonly number[];
  readonly backend: string;
  readonly model: string;
  readonly numbers: number;
  readonly tokens: number;
  readonly planesAlone?: readonly { readonly planes: readonly string[]; readonly psnrDb: number }[];
  readonly timing?: { readonly width: number; readonly height: number };
}

/** The page in a browser without a window, and what has been seen of it. */
export class OpenPage {
  readonly folder: string;
  readonly address: string;
  readonly page: Page;
  /** The addresses that it has asked for. */
  readonly asked: string[] = [];
  /** Errors in its console, and those that nobody caught. */
  readonly troubles: string[] = [];
  readonly #browser: Browser;
  readonly #served: ServedPage;

  private constructor(folder: string, served: ServedPage, browser: Browser, page: Page) {
    this.folder = folder;
    this.address = served.address;
    this.page = page;
    this.#browser = browser;
    this.#served = served;
    page.on("request", (request) => this.asked.push(request.url()));
    page.on("pageerror", (error) => this.troubles.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.troubles.push(message.text());
    });
  }

  /** Serves and opens the page. Close it. */
  static async open(hash: string, more: readonly string[] = ["--disable-gpu"]): Promise<OpenPage> {
    const folder = await mkdtemp(join(tmpdir(), "coordtok-page-"));
    const served = await servePage({ folder: await pageFolder() });
    const browser = await chromium.launch({ executablePath: program!, args: [...flags.split(" "), ...more] });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
    const open = new OpenPage(folder, served, browser, page);
    await page.goto(`${served.address}${hash}`);
    await open.settled();
    return open;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#served.close();
    await rm(this.folder, { recursive: true });
  }

  /** Waits until the page has had nothing to do for a moment. */
  async settled(): Promise<void> {
    await this.page.waitForFunction(
      () => {
        const scope = globalThis as { idleSince?: number | undefined };
        const idle =
          document.querySelector(".busy-done") !== null &&
          /frames of/.test(document.querySelector(".lead")?.textContent ?? "");
        scope.idleSince = idle ? (scope.idleSince ?? performance.now()) : undefined;
        return scope.idleSince !== undefined && performance.now() - scope.idleSince > 700;
      },
      undefined,
      { timeout: 100_000 },
    );
    await this.page.evaluate(() => Object.assign(globalThis, { idleSince: undefined }));
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name, exact: typeof name === "string" });
  }

  /** A button of a group of buttons. */
  choice(group: string, name: string): Locator {
    return this.page.getByRole("group", { name: group }).getByRole("button", { name, exact: true });
  }

  slider(label: string): Locator {
    return this.page.locator("label.slider", { hasText: label }).locator("input");
  }

  async slide(label: string, value: number): Promise<void> {
    await this.slider(label).fill(String(value));
  }

  /** What a button of the page saves. */
  async download(button: string): Promise<Buffer> {
    const [file] = await Promise.all([this.page.waitForEvent("download"), this.button(button).click()]);
    return readFile(await file.path());
  }

  async figures(): Promise<Figures> {
    return JSON.parse((await this.download("Figures, JSON")).toString()) as Figures;
  }

  /** Opens files of this machine, as if they were chosen. */
  async choose(...files: readonly string[]): Promise<void> {
    await this.page.getByLabel("Open a video, pictures").setInputFiles([...files]);
  }

  /** Opens a clip as pictures. */
  async chooseClip(clip: RgbClip): Promise<void> {
    await this.choose(...(await this.picturesOf(clip)));
    await this.settled();
  }

  /** Writes the frames of a clip as PNG files. */
  async picturesOf({ data, frameCount, height, width }: RgbClip): Promise<string[]> {
    const size = height * width * 3;
    return Promise.all(
      Array.from({ length: frameCount }, async (_, i) => {
        const file = join(this.folder, `frame-${String(i)}.png`);
        await writeFile(file, encodePng({ height, width, data: data.subarray(i * size, (i + 1) * size) }));
        return file;
      }),
    );
  }

  canvas(layer: string): Locator {
    return this.page.locator(`canvas[data-layer="${layer}"]`);
  }

  /** The colours of a canvas, RGBA. */
  async pixels(layer: string): Promise<{ readonly width: number; readonly height: number; readonly data: Buffer }> {
    const { text, ...size } = await this.canvas(layer).evaluate(async (canvas: HTMLCanvasElement) => {
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, width, height);
      const url = await new Promise<string>((done) => {
        const reader = new FileReader();
        reader.onload = () => {
          done(reader.result as string);
        };
        reader.readAsDataURL(new Blob([data]));
      });
      return { width, height, text: url.slice(url.indexOf(",") + 1) };
    });
    return { ...size, data: Buffer.from(text, "base64") };
  }

  /** The number of the frame that is shown, from 0. */
  async frame(): Promise<number> {
    return Number(await this.canvas("plot").getAttribute("data-frame"));
  }

  /** Moves the pointer to a place of a canvas, as parts of it. */
  async hover(layer: string, x: number, y: number): Promise<void> {
    await this.canvas(layer).scrollIntoViewIfNeeded();
    const box = (await this.canvas(layer).boundingBox())!;
    await this.page.mouse.move(box.x + x * box.width, box.y + y * box.height);
  }
}
