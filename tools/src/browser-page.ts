// The program of the page that the browser test opens.
import { loadBackend } from "@coordtok/backend";
import { codeSmallLattice, decodeSmallTriplane, streamSmallFilm } from "./browser-decode.js";

async function main(): Promise<unknown> {
  const wasmPaths = new URLSearchParams(location.search).get("wasmPaths") ?? undefined;
  const backend = await loadBackend("wasm", { wasmPaths });
  return {
    backend: backend.tfName,
    fused: backend.fused,
    clip: await decodeSmallTriplane(),
    lattice: await codeSmallLattice(),
    film: await streamSmallFilm(),
  };
}

Object.assign(globalThis, { outcome: main() });
