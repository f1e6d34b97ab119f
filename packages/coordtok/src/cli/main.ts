#!/usr/bin/env node
import { runProgram } from "./run-program.js";

// A reader that has seen enough (`coordtok … | head`) closes the pipe. This is not a bug, and no reader is left.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });

process.exitCode = await runProgram(process.argv.slice(2));
