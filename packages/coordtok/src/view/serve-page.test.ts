import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { servePage, type ServedPage } from "./serve-page.js";

let folder = "";
let page: ServedPage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-view-"));
  await mkdir(join(folder, "page/assets"), { recursive: true });
  await writeFile(join(folder, "page/index.html"), "<!doctype html>");
  await writeFile(join(folder, "page/assets/a.js"), "1;");
  await writeFile(join(folder, "a clip #1.mp4"), "not really a video");
  page = await servePage({ folder: join(folder, "page"), file: join(folder, "a clip #1.mp4") });
});

afterAll(async () => {
  await page.close();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Asks the server, with any headers and any path as it is. */
function ask(path: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
  const { port } = new URL(page.address);
  return new Promise((done, fail) => {
    const asked = request({ host: "127.0.0.1", port, path, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part));
      response.on("end", () => {
        done({ status: response.statusCode, headers: response.headers, body });
      });
    });
    asked.on("error", fail).end();
  });
}

describe("the server of the page", () => {
  it("serves the page, its files and the file given under a path that is different each time", async () => {
    const { pathname, hash } = new URL(page.address);
    expect(pathname).toMatch(/^\/[\w-]{24}\/$/);
    expect((await ask(pathname)).body).toBe("<!doctype html>");
    expect((await ask(`${pathname}assets/a.js`)).headers["content-type"]).toContain("text/javascript");
    const file = new URLSearchParams(hash.slice(1)).get("file")!;
    expect(await ask(pathname + file)).toMatchObject({ status: 200, body: "not really a video" });
    const other = await servePage({ folder: join(folder, "page") });
    expect(new URL(other.address).pathname).not.toBe(pathname);
    await other.close();
  });

  it("sends the content policy and the headers that allow shared memory", async () => {
    const { headers } = await ask(new URL(page.address).pathname);
    expect(headers["content-security-policy"]).toMatch(/^default-src 'self'; script-src 'self' 'wasm-unsafe-eval';/);
    expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
    expect(headers["cross-origin-embedder-policy"]).toBe("require-corp");
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });

  it("answers no other name of this machine, no other page, and no request that is not a read", async () => {
    const { pathname, host } = new URL(page.address);
    for (const headers of [{ host: "evil.example" }, { host: "127.0.0.1" }, { host, origin: "null" }])
      expect(await ask(pathname, { headers })).toMatchObject({ status: 403, body: "" });
    expect(await ask(pathname, { headers: { host, origin: "http://evil.example" } })).toMatchObject({ status: 403 });
    expect(await ask(pathname, { headers: { host, origin: `http://${host}` } })).toMatchObject({ status: 200 });
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
      expect(await ask(pathname, { method })).toMatchObject({ status: 405 });
  });

  it("serves nothing without the path, and nothing beside the page", async () => {
    const { pathname } = new URL(page.address);
    const paths = ["/", "/index.html", `${pathname}../a`, `${pathname}..%2f..%2fetc/passwd`, `${pathname}given/`];
    for (const path of [...paths, `${pathname}assets/../../a clip #1.mp4`.replaceAll(" ", "%20")])
      expect(await ask(path)).toMatchObject({ status: 404, body: "" });
  });

  it("refuses a file that is not there and a port that is in use in one sentence", async () => {
    const missing = servePage({ folder: join(folder, "page"), file: join(folder, "none.mp4") });
    await expect(missing).rejects.toMatchObject({ code: "file-not-found" });
    const port = Number(new URL(page.address).port);
    await expect(servePage({ folder: join(folder, "page"), port })).rejects.toMatchObject({
      code: "config",
      options: { port: undefined },
      message: expect.stringContaining(`The port ${String(port)} cannot be used`) as string,
    });
  });
});
