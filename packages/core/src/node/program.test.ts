import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram, lastLinesOf, programProblem, runProgram, startProgram } from "./index.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-program-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a shell script and returns its path. */
function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const limit = { seconds: 60 };

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A killed process stays in the table until its parent waits for it, which in a container may never happen.
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (condition()) return;
    await pause(50);
  }
  throw new Error(`waited 20 s for ${what}`);
}

describe("a program", { timeout: 60_000 }, () => {
  it("returns its output, its errors and its exit code", async () => {
    const path = script("both", 'echo one; echo two >&2; echo "three $1" >&2; exit 3');
    const ended = await runProgram(path, ["a b"], { limit });
    expect(ended).toMatchObject({ exitCode: 3, signal: undefined, failure: undefined, late: false, stdout: "one\n" });
    expect(ended.lines).toEqual(["two", "three a b"]);
    expect(lastLinesOf(ended, 2)).toEqual(["two", "three a b"]);
    expect(programProblem(ended)).toBe("it ended with exit code 3");
  });

  it("keeps the first and the last of many error lines", async () => {
    const path = script("many", "i=0; while [ $i -lt 1000 ]; do echo $i >&2; i=$((i+1)); done");
    const { lines } = await runProgram(path, [], { limit });
    expect([lines.length, lines[0], lines[299], lines[300], lines.at(-1)]).toEqual([400, "0", "299", "900", "999"]);
  });

  it("runs in a neutral folder, with PWD and a PATH that do not lead to the current one", async () => {
    const env = { PATH: ["", ".", "/usr/bin", "bin", "/bin"].join(delimiter), OLDPWD: folder, PWD: folder };
    const { stdout } = await runProgram(script("where", 'pwd; echo "$PATH"; echo "$PWD"; echo "$OLDPWD"'), [], {
      limit,
      env,
    });
    const [cwd, path, pwd, oldpwd] = stdout.split("\n");
    expect(path).toBe(`/usr/bin${delimiter}/bin`);
    expect([pwd, oldpwd]).toEqual([cwd, ""]);
    expect(cwd).toBe(import.meta.dirname);
  });

  it("with a relative path is a bug of the caller", () => {
    expect(() => startProgram("sh", [], { limit })).toThrow(/absolute path/);
  });

  it("that cannot be started is a result with the reason", async () => {
    const missing = await runProgram(join(folder, "missing"), [], { limit });
    expect(programProblem(missing)).toBe("it does not start (ENOENT)");
    const elsewhere = await runProgram(script("fine", "exit 0"), [], { limit, cwd: join(folder, "missing") });
    expect(programProblem(elsewhere)).toBe("it does not start (ENOENT)");
    const nul = await runProgram(script("fine", "exit 0"), ["a\0b"], { limit });
    expect(programProblem(nul)).toMatch(/^it does not start/);
  });

  it("is killed with its children if it takes too long", async () => {
    const path = script("slow", `sleep 600 & echo $! > "$1"; sleep 600`);
    const note = join(folder, "slow-pid");
    const ended = await runProgram(path, [note], { limit: { seconds: 0.5 } });
    expect(ended).toMatchObject({ late: true, signal: "SIGKILL", exitCode: undefined });
    expect(programProblem(ended)).toBe("it took too long and was ended");
    await until("the end of what it started", () => !isAlive(Number(readFileSync(note, "utf8"))));
  });

  it("is killed when the signal is aborted, even before it starts", async () => {
    const stop = new AbortController();
    const running = runProgram(script("asleep", "sleep 600"), [], { limit, signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    await expect(running).rejects.toMatchObject({ code: "aborted" });
    await expect(runProgram(join(folder, "asleep"), [], { limit, signal: stop.signal })).rejects.toMatchObject({
      code: "aborted",
    });
    const { ended } = startProgram(join(folder, "asleep"), [], { limit, signal: stop.signal });
    expect(await ended).toMatchObject({ signal: "SIGKILL", late: false });
  });
});

describe("a silent limit", { timeout: 60_000 }, () => {
  it("ends a program without output", async () => {
    const program = startProgram(script("silent", "sleep 600"), [], { limit: { silentSeconds: 0.5 } });
    program.stdout.resume();
    expect(await program.ended).toMatchObject({ late: true });
  });

  it("lets a program with output continue, however long it takes", async () => {
    const path = script("talking", "for i in 1 2 3 4 5 6; do sleep 0.3; echo $i >&2; done");
    expect(await runProgram(path, [], { limit: { silentSeconds: 1 } })).toMatchObject({ exitCode: 0, late: false });
  });

  it("is suspended while nobody reads its output or provides the input that it waits for", async () => {
    const path = script("pipe", "head -c 500000 /dev/zero; read -r line; echo $line");
    const program = startProgram(path, [], { limit: { silentSeconds: 0.4 }, input: true });
    program.stdout.pause();
    // Output counts as unread only once it waits in the stream.
    program.stdout.once("readable", () => undefined);
    await pause(1200);
    program.stdout.removeAllListeners("readable");
    program.stdout.resume();
    await pause(1200);
    program.stdin.end("done\n");
    expect(await program.ended).toMatchObject({ exitCode: 0, late: false });
  });
});

describe("programs end with the process that started them", { timeout: 60_000 }, () => {
  const source = JSON.stringify(new URL("./index.ts", import.meta.url).href);
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;

  it.each([
    ["when it is killed", "", "SIGKILL"],
    ["when it exits", "setTimeout(() => process.exit(0), 50);", undefined],
    ["when it crashes", "setTimeout(() => { throw new Error('made up') }, 50);", undefined],
  ] as const)("%s", async (title, more, signal) => {
    const [note, ready] = ["pid", "ready"].map((name) => join(folder, `${title}.${name}`)) as [string, string];
    const sleeper = script("sleeper", `echo $$ > "$1"; exec sleep 600`);
    const code = `
      import { existsSync, writeFileSync } from "node:fs";
      import { startProgram } from ${source};
      startProgram(${JSON.stringify(sleeper)}, [${JSON.stringify(note)}], { limit: { seconds: 600 } });
      while (!existsSync(${JSON.stringify(note)})) await new Promise((done) => setTimeout(done, 10));
      writeFileSync(${JSON.stringify(ready)}, "");
      ${more}
      setInterval(() => undefined, 1000);`;
    const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", code];
    const parent = spawn(process.execPath, args, { stdio: "ignore", env: { ...process.env, NODE_OPTIONS: "" } });
    const ended = new Promise((done) => parent.once("close", done));
    await until("the program", () => existsSync(ready) && readFileSync(note, "utf8").endsWith("\n"));
    const pid = Number(readFileSync(note, "utf8"));
    if (signal !== undefined) parent.kill(signal);
    await ended;
    await until("its end", () => !isAlive(pid));
  });
});

describe("findProgram", () => {
  it("looks in the absolute folders of PATH and nowhere else", async () => {
    const [here, bin] = [join(folder, "here"), join(folder, "bin")];
    for (const place of [here, bin]) mkdirSync(place);
    for (const place of [here, bin]) writeFileSync(join(place, "tool"), "", { mode: 0o755 });
    writeFileSync(join(bin, "no-program"), "", { mode: 0o644 });
    mkdirSync(join(bin, "a-folder"));
    const before = process.cwd();
    process.chdir(here);
    try {
      const find = (name: string, ...path: string[]): Promise<string | undefined> =>
        findProgram(name, { PATH: path.join(delimiter) });
      expect(await find("tool", "", ".", "./", relative(here, bin))).toBeUndefined();
      expect(await find("tool", "", ".", bin)).toBe(join(bin, "tool"));
      expect(await findProgram("tool", {})).toBeUndefined();
      expect(await find("./tool", bin)).toBe(join(process.cwd(), "tool"));
      expect(await find(join(bin, "tool"))).toBe(join(bin, "tool"));
      for (const name of ["no-program", "a-folder", "missing"]) expect(await find(name, bin)).toBeUndefined();
    } finally {
      process.chdir(before);
    }
  });
});
