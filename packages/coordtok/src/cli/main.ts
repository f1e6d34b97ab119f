#!/usr/bin/env node
import { isWorkingFolderThere, sayItIsGone } from "./working-folder.js";

if (isWorkingFolderThere()) {
  // Libraries ask for the folder as they load, so nothing is loaded before.
  const [{ runProgram }, { outputFailure, watchOutput }] = await Promise.all([
    import("./run-program.js"),
    import("./stop.js"),
  ]);
  watchOutput();
  const code = await runProgram(process.argv.slice(2));
  process.exitCode = outputFailure()?.code ?? code;
} else process.exitCode = sayItIsGone(process.argv);
