import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { temporaryPathFor } from "./leftovers.js";
import { acquireFreeLock, acquireLock, lockHolder, type LockHolder } from "./lock.js";
import { isRunning, ownProcess } from "./process-identity.js";

let folder: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-lock-"));
  path = join(folder, "lock");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** The number of a process that has ended. */
function endedProcess(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

/** Writes the lock of some process. @param age of its last heartbeat, in seconds. */
function writeLock(owner: object, age = 0): void {
  const since = "2026-11-28T06:00:00.000Z";
  writeFileSync(path, JSON.stringify({ token: "old", ...ownProcess(), host: hostname(), since, ...owner }));
  const time = new Date(Date.now() - age * 1000);
  utimesSync(path, time, time);
}

const elsewhere = { place: "0123456789abcdef", host: "elsewhere", pid: 1 };

async function isTakenOver(): Promise<boolean> {
  try {
    await (await acquireFreeLock(path, "it")).release();
    return true;
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "file-exists" });
    return false;
  }
}

describe("a lock", () => {
  it("is held by one holder at a time, and the next is told whom it waits for", async () => {
    const order: string[] = [];
    const first = await acquireLock(path);
    const onWait = ({ pid, host, here, since }: LockHolder): void => {
      expect([host, here, Math.abs(Date.parse(since) - Date.now()) < 60_000]).toEqual([hostname(), true, true]);
      order.push(`waits for ${String(pid)}`);
    };
    const second = acquireLock(path, { onWait }).then((lock) => {
      order.push("second");
      return lock;
    });
    await pause(300);
    order.push("first lets go");
    await first.release();
    await (await second).release();
    expect(order).toEqual([`waits for ${String(process.pid)}`, "first lets go", "second"]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("lets sixteen holders in one at a time, also after one that is gone", { timeout: 30_000 }, async () => {
    writeLock({ pid: endedProcess() });
    let inside = 0;
    let most = 0;
    const one = async (): Promise<void> => {
      await using lock = await acquireLock(path);
      most = Math.max(most, ++inside);
      await pause(2);
      await lock.check();
      inside--;
    };
    await Promise.all(Array.from({ length: 16 }, one));
    expect(most).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("that is held ends the attempt in a sentence with process and time", async () => {
    await using lock = await acquireLock(path);
    await lock.check();
    await expect(acquireFreeLock(path, '"runs/a"')).rejects.toMatchObject({
      code: "file-exists",
      sentence: expect.stringMatching(
        new RegExp(
          `^"runs/a" is in use: process ${process.pid} has been writing there since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC\\. `,
        ),
      ) as string,
    });
  });

  it("of a process that is gone is taken over at once", async () => {
    writeLock({ pid: endedProcess() });
    expect(await isTakenOver()).toBe(true);
    expect(existsSync(path)).toBe(false);
  });

  it("of an earlier process with the number of a living one is taken over at once", async (context) => {
    if (ownProcess().started === "") context.skip("this system does not tell when a process started");
    writeLock({ started: "1" });
    expect(await isTakenOver()).toBe(true);
  });

  it("of a living process stays its own, however long it is silent", async () => {
    writeLock({}, 100_000);
    expect(await isTakenOver()).toBe(false);
  });

  it("of another container or machine is taken over after two minutes without a heartbeat, and not before", async () => {
    writeLock(elsewhere, 100);
    expect(await isTakenOver()).toBe(false);
    expect(await lockHolder(path)).toMatchObject({ host: "elsewhere", here: false });
    writeLock(elsewhere, 125);
    expect(await isTakenOver()).toBe(true);
  });

  it("means nothing by its process number in another container", async () => {
    writeLock({ ...elsewhere, pid: endedProcess() });
    expect(await isTakenOver()).toBe(false);
    expect(isRunning({ ...ownProcess(), place: elsewhere.place })).toBeUndefined();
  });

  it("leaves nothing beside it, and what a process that is gone has left there goes", async () => {
    const name = basename(temporaryPathFor(path));
    const left = name.replace(`-${process.pid.toString(36)}-`, `-${endedProcess().toString(36)}-`);
    expect(left).not.toBe(name);
    writeFileSync(join(folder, left), "");
    const lock = await acquireLock(path);
    expect(readdirSync(folder)).toEqual(["lock"]);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("that cannot be read is taken over after a few seconds", async () => {
    writeFileSync(path, "");
    const longAgo = new Date(Date.now() - 6000);
    utimesSync(path, longAgo, longAgo);
    expect(await isTakenOver()).toBe(true);
  });

  it("has a heartbeat while its process computes without a pause", { timeout: 60_000 }, async () => {
    await using lock = await acquireLock(path);
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(path, longAgo, longAgo);
    const until = performance.now() + 30_000;
    while (performance.now() < until && Date.now() - statSync(path).mtimeMs > 50_000);
    expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(50_000);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ pid: process.pid });
    await lock.check();
  });

  it("that another process has taken over is not released, and its former holder is told", async () => {
    const lock = await acquireLock(path);
    writeLock(elsewhere);
    await expect(lock.check()).rejects.toMatchObject({
      code: "file-exists",
      sentence: expect.stringContaining("process 1 on elsewhere has taken it over") as string,
    });
    await lock.release();
    expect(existsSync(path)).toBe(true);
  });

  it("of a killed process is free for the next", { timeout: 30_000 }, async () => {
    const child = spawn("sleep", ["60"]);
    children.push(child);
    await once(child, "spawn");
    const stat = existsSync(`/proc/${child.pid!}/stat`) ? readFileSync(`/proc/${child.pid!}/stat`, "utf8") : "";
    writeLock({ pid: child.pid!, started: stat === "" ? "" : stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]! });
    expect(await isTakenOver()).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await isTakenOver()).toBe(true);
  });
});
