#!/usr/bin/env node
import { runProgram } from "./run-program.js";
import { outputFailure, watchOutput } from "./stop.js";

watchOutput();
const code = await runProgram(process.argv.slice(2));
process.exitCode = outputFailure()?.code ?? code;
