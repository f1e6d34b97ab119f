import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";

const running = new Set<ChildProcess>();
let watcher: ChildProcess | undefined;
let listening = false;

/**
 * Starts a program that ends, together with its children, at the latest when this process ends. If this process is killed, a small
 * shell at the other end of a pipe ends the program (not on Windows).
 * @param start starts the program as the leader of a process group of its own.
 */
export function endWithParent(start: () => ChildProcess): ChildProcess {
  // The watcher starts first: this process may be killed right after starting the program.
  watcher ??= startWatcher();
  const child = start();
  if (child.pid === undefined) return child;
  running.add(child);
  if (!listening) process.once("exit", () => running.forEach(killGroup));
  listening = true;
  tellWatcher(`+ ${child.pid}`);
  child.once("exit", () => {
    running.delete(child);
    tellWatcher(`- ${child.pid}`);
  });
  return child;
}

/** Kills a program and its whole process group: it may be a script around the real program. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

const shell = "/bin/sh";

/** Keeps a list of the running groups; the end of its input means that the parent is gone. */
const watch = `groups=" "
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done`;

function startWatcher(): ChildProcess | undefined {
  if (!existsSync(shell)) return undefined;
  const child = spawn(shell, ["-c", watch], { cwd: "/", env: {}, detached: true, stdio: ["pipe", "ignore", "ignore"] });
  // Without the watcher, programs still end when this process exits, but not when it is killed.
  child.on("error", () => undefined);
  // There is no pipe if this process may open no more files.
  const input = child.stdin as Partial<Socket> | undefined;
  input?.on?.("error", () => undefined);
  // Bun's pipes have no unref; they keep no process alive.
  input?.unref?.();
  child.unref();
  return child;
}

function tellWatcher(line: string): void {
  watcher?.stdin?.write(`${line}\n`);
}
