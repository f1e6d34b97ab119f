import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process, told apart from later ones with the same number and from those of other machines and containers. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in ticks since the boot; empty where the system does not tell. */
  readonly started: string;
  /** Sixteen hexadecimal digits for the boot and the namespace in which its number means something. */
  readonly place: string;
}

let own: ProcessIdentity | undefined;

/** The identity of this process. */
export function ownProcess(): ProcessIdentity {
  return (own ??= { pid: process.pid, started: startOf("self") ?? "", place: placeOf() });
}

/**
 * Whether a process is still running: `true`, `false`, or `undefined` for one of another machine, another boot or another container, whose
 * number means nothing here.
 */
export function isRunning({ pid, started, place }: ProcessIdentity): boolean | undefined {
  if (place !== ownProcess().place) return undefined;
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    // A process of another user may not be asked.
    if ((thrown as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  if (started === "") return true;
  const now = startOf(pid);
  return now === undefined || now === started;
}

/** The place of all processes that see each other's numbers. */
function placeOf(): string {
  const facts = [
    // Containers of one boot have namespaces of their own; boots and machines differ in the first.
    attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()) ?? `host ${hostname()}`,
    ...["pid", "time"].map((kind) => attempt(() => readlinkSync(`/proc/self/ns/${kind}`)) ?? hostname()),
  ];
  return createHash("sha256").update(facts.join("\n")).digest("hex").slice(0, 16);
}

/** When a process started; `undefined` if that cannot be read, `dead` for one that has ended and waits for its parent. */
function startOf(pid: number | "self"): string | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (text === undefined) return undefined;
  // The name of the program, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return /^[ZXx]$/.test(fields[0] ?? "") ? "dead" : fields[19];
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
