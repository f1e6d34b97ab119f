import { expect, it } from "vitest";
import { commands } from "./commands/index.js";
import { computingCommands, mayComputeNatively } from "./prepared-environment.js";

it("the commands that get the prepared environment are those that compute", () => {
  const computing = commands.filter(({ computes }) => computes === true).map(({ name }) => name);
  expect([...computingCommands].sort()).toEqual(computing.sort());
});

it("a command line may compute natively unless it names another backend, asks for help or does not compute", () => {
  const native = ["decode a", "-- decode a --out b", "decode a --backend auto", "decode a --backend=tensorflow"];
  const others = ["decode a --backend wasm", "decode a --backend=wasm", "decode --help", "info a", "", "--version"];
  const repeated = "decode a --backend wasm --backend tensorflow";
  expect([...native, repeated].map((line) => mayComputeNatively(line.split(" ")))).toEqual(Array(5).fill(true));
  expect(others.map((line) => mayComputeNatively(line.split(" ")))).toEqual(Array(6).fill(false));
});
