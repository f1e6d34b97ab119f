import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acquireLock } from "./lock.js";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The id of a process that has ended. */
function endedProcess(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

describe("a lock", () => {
  it("is held by one holder at a time, and the next is told whom it waits for", async () => {
    const order: string[] = [];
    const first = await acquireLock(path);
    const second = acquireLock(path, { onWait: (pid) => order.push(`waits for ${String(pid)}`) }).then((unlock) => {
      order.push("second");
      return unlock;
    });
    await pause(300);
    order.push("first lets go");
    await first();
    await (
      await second
    )();
    expect(order).toEqual([`waits for ${String(process.pid)}`, "first lets go", "second"]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("lets sixteen holders in one at a time", { timeout: 30_000 }, async () => {
    let inside = 0;
    let most = 0;
    const one = async (): Promise<void> => {
      const unlock = await acquireLock(path);
      most = Math.max(most, ++inside);
      await pause(2);
      inside--;
      await unlock();
    };
    await Promise.all(Array.from({ length: 16 }, one));
    expect(most).toBe(1);
  });

  it("of a process that is gone is stolen at once", async () => {
    writeFileSync(path, JSON.stringify({ pid: endedProcess(), host: hostname(), token: "old" }));
    const unlock = await acquireLock(path, { onWait: () => expect.unreachable() });
    await unlock();
    expect(existsSync(path)).toBe(false);
  });

  it("of another machine is respected while it has a heartbeat, and stolen after a minute without one", async () => {
    writeFileSync(path, JSON.stringify({ pid: 1, host: "elsewhere", token: "old" }));
    const controller = new AbortController();
    const waiting = acquireLock(path, { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(waiting).rejects.toMatchObject({ code: "aborted" });
    const longAgo = new Date(Date.now() - 61_000);
    utimesSync(path, longAgo, longAgo);
    await (
      await acquireLock(path)
    )();
  });

  it("of a live process without a heartbeat is kept for silentSeconds, and waiting can be refused", async () => {
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname(), token: "old" }));
    const longAgo = new Date(Date.now() - 700_000);
    utimesSync(path, longAgo, longAgo);
    const onWait = (pid: number): never => {
      throw new Error(`held by ${pid}`);
    };
    await expect(acquireLock(path, { onWait, silentSeconds: 800 })).rejects.toThrow(`held by ${process.pid}`);
    expect(readdirSync(folder)).toEqual(["lock"]);
    await (
      await acquireLock(path, { onWait })
    )();
  });

  it("that cannot be read is stolen after a few seconds", async () => {
    writeFileSync(path, "");
    const longAgo = new Date(Date.now() - 6000);
    utimesSync(path, longAgo, longAgo);
    await (
      await acquireLock(path)
    )();
  });
});
