import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "@coordtok/core/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPip } from "./python.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "coordtok-python-"));
  mkdirSync(join(root, "bin"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function program(name: string, script: string): string {
  const path = join(root, "bin", name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const find = (asked?: string): ReturnType<typeof findPip> => findPip(asked, { PATH: join(root, "bin"), HOME: root });

describe("the pip that downloads wheels", { timeout: 60_000 }, () => {
  it("runs isolated if that finds one", async () => {
    const python = program("python3", 'echo "pip 24.0 from /somewhere (python 3.12)"');
    expect(await find()).toEqual({
      command: python,
      prefix: ["-I", "-m", "pip"],
      python,
      version: "pip 24.0 from /somewhere (python 3.12)",
    });
  });

  it("is a pip3 program if no Python has pip", async () => {
    program("python3", 'case "$*" in *pip*) exit 1;; esac');
    const command = program("pip3", 'echo "pip 23.0 from /elsewhere (python 3.9)"');
    expect(await find()).toMatchObject({ command, prefix: [], python: undefined });
  });

  it("in the user's own site is found, and a folder pip in the current folder is not run", async ({ skip }) => {
    const real = await findProgram("python3");
    if (real === undefined) return skip("no python3 on PATH");
    const ask = "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])";
    const [executable, version] = execFileSync(real, ["-I", "-c", ask], { encoding: "utf8" }).trim().split("\n");
    const site = join(root, ".local/lib", `python${version}`, "site-packages/pip");
    const [stranger, mark] = [join(root, "stranger"), join(root, "mark")];
    mkdirSync(site, { recursive: true });
    mkdirSync(join(stranger, "pip"), { recursive: true });
    for (const name of ["__init__.py", "__main__.py"]) {
      writeFileSync(join(site, name), name === "__init__.py" ? "" : 'print("pip 99.1 from the user")\n');
      writeFileSync(join(stranger, "pip", name), `open(${JSON.stringify(mark)}, "w")\n`);
    }
    // A Python whose own site has no pip.
    const python = program("python3", `case " $* " in *" -I -m "*) exit 1;; esac; exec '${executable}' "$@"`);
    const before = process.cwd();
    process.chdir(stranger);
    try {
      expect(await find()).toEqual({
        command: python,
        prefix: ["-E", "-m", "pip"],
        python,
        version: "pip 99.1 from the user",
      });
    } finally {
      process.chdir(before);
    }
    expect(existsSync(mark)).toBe(false);
  });

  it("if missing is reported in one sentence that distinguishes Python without pip from no Python", async () => {
    await expect(find()).rejects.toMatchObject({
      message: expect.stringContaining("found none on PATH") as string,
    });
    const python = program("python3", 'case "$*" in *pip*) exit 1;; esac');
    await expect(find()).rejects.toMatchObject({
      message: expect.stringContaining(`"${python}" has no pip`) as string,
    });
    await expect(find("python9")).rejects.toMatchObject({
      message: expect.stringContaining('"python9" is not a working Python') as string,
    });
  });
});
