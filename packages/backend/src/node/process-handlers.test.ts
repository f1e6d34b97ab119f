import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const index = JSON.stringify(new URL("../index.ts", import.meta.url).href);

/** Runs a program that has loaded the backend wasm. */
function run(program: string, before = ""): { code: number | null; stdout: string; stderr: string } {
  const code = `${before}\nconst { loadBackend } = await import(${index});\n${program}`;
  const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return { code: status, stdout, stderr };
}

describe("after the backend wasm is loaded", { timeout: 60_000 }, () => {
  it("an error that a program throws is printed as its own and ends it with 1", () => {
    const { code, stderr } = run('await loadBackend("wasm");\nthrow new RangeError("my own error");');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/RangeError: my own error/)]);
    expect(stderr).not.toContain("tf-backend-wasm");
  });

  it("a rejection that nobody handles ends a program in Node's own words", () => {
    const { code, stderr } = run('await loadBackend("wasm");\nvoid Promise.reject(new Error("left alone"));');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Error: left alone/)]);
    expect(stderr).not.toContain("tf-backend-wasm");
  });

  it("a server that handles uncaught errors lives on, with the fused operations and without", () => {
    const handlers = `process.on("uncaughtException", ({ message }) => console.log("handled", message));
      process.on("unhandledRejection", ({ message }) => console.log("handled", message));`;
    const program = (options: string): string => `await loadBackend("wasm", ${options});
      setTimeout(() => { throw new Error("one"); });
      setTimeout(() => void Promise.reject(new Error("two")), 10);
      setTimeout(() => console.log(process.listenerCount("uncaughtException"), process.listenerCount("unhandledRejection")), 100);`;
    for (const options of ["{}", "{ fused: false }"]) {
      const { code, stdout } = run(program(options), handlers);
      expect([code, stdout]).toEqual([0, "handled one\nhandled two\n1 1\n"]);
    }
  });

  it("handlers that a program adds meanwhile stay, even such as throw", () => {
    const program = `const loading = loadBackend("wasm");
      process.on("uncaughtException", (error) => { if (error.message !== "mine") throw error; });
      await loading;
      console.log(process.listenerCount("uncaughtException"));`;
    expect(run(program)).toMatchObject({ code: 0, stdout: "1\n" });
  });
});

it("a place without the files of tfjs-backend-wasm is named in the error", { timeout: 60_000 }, () => {
  const program = `await loadBackend("wasm", { wasmPaths: "/nowhere/" }).catch(({ code, message }) => console.log(code, message));`;
  expect(run(program).stdout).toMatch(
    /^backend The backend wasm does not start from "\/nowhere\/tfjs-backend-wasm-simd\.wasm"; serve .* or leave wasmPaths out/m,
  );
});
