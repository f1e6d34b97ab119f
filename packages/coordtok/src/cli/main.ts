#!/usr/bin/env node
import { runInPreparedEnvironment } from "./prepared-environment.js";

// A reader that has seen enough (`coordtok … | head`) closes the pipe: no bug, and nobody is left to print to.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });

const argv = process.argv.slice(2);
process.exitCode =
  (await runInPreparedEnvironment(argv)) ?? (await (await import("./run-program.js")).runProgram(argv));
