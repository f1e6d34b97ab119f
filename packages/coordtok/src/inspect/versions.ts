import { packageVersion } from "@coordtok/core/node";

/** The version of this package. */
export const ownVersion: string = packageVersion("coordtok", import.meta.url);

/** The versions of what is in use here; absent is null. */
export interface Versions {
  readonly coordtok: string;
  readonly node: string;
  readonly platform: string;
  /** TensorFlow.js. */
  readonly tfjs: string;
  /** The backend that `auto` takes, as far as that is known without loading it. */
  readonly backend: { readonly name: "tensorflow" | "wasm"; readonly version: string };
  readonly ffmpeg: { readonly version: string; readonly path: string; readonly source: string } | null;
}

/** Finds the versions of what is in use, loading no backend. */
export async function versions(): Promise<Versions> {
  const [{ describeSetup }, { describeFfmpeg }, { version_core: tfjs }] = await Promise.all([
    import("@coordtok/backend/setup"),
    import("@coordtok/video/node"),
    import("@tensorflow/tfjs-core"),
  ]);
  const [{ installation, problem, platform }, { chosen }] = await Promise.all([describeSetup(), describeFfmpeg()]);
  const native = problem === undefined ? installation : undefined;
  return {
    coordtok: ownVersion,
    node: process.version,
    platform,
    tfjs,
    backend:
      native === undefined ? { name: "wasm", version: tfjs } : { name: "tensorflow", version: native.tensorflow },
    ffmpeg: chosen === undefined ? null : { version: chosen.version, path: chosen.path, source: chosen.source },
  };
}
