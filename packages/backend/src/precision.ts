import { CoordTokError } from "@coordtok/core";

/**
 * The precision of the native backend's matrix products: `fp32`, or `bf16`, with which oneDNN may round the factors to bfloat16 and
 * accumulates in fp32. On x64 it rounds only on processors with AMX; on others the results are those of `fp32`.
 */
export type Precision = "fp32" | "bf16";

/** The environment variable from which oneDNN reads its mode once, when TensorFlow is loaded. */
export const precisionVariable = "ONEDNN_DEFAULT_FPMATH_MODE";

/** The precision that a call of `loadBackend` requests. */
export interface PrecisionRequest {
  /** The caller's choice; if undefined, the environment decides, else `fp32`. */
  readonly asked: Precision | undefined;
  /** Whether fp32 is required, whatever the environment says. */
  readonly exact: boolean;
}

/**
 * Chooses the precision to load TensorFlow with.
 * @param mode the value of {@link precisionVariable}.
 * @param current the precision that TensorFlow has been loaded with, which holds for the whole process.
 * @throws CoordTokError `backend` for a mode that is neither `STRICT` nor `BF16`, and if TensorFlow has been loaded with another precision.
 */
export function choosePrecision(
  { asked, exact }: PrecisionRequest,
  mode: string | undefined,
  current: Precision | undefined,
): Precision {
  const wanted = exact ? "fp32" : (asked ?? current ?? precisionOfMode(mode));
  if (current !== undefined && current !== wanted)
    throw new CoordTokError(
      "backend",
      `Expected ${wanted}, but TensorFlow has been loaded with ${current}, which holds for the whole process; load it with ${wanted} in another process.`,
    );
  return wanted;
}

function precisionOfMode(mode: string | undefined): Precision {
  const name = (mode ?? "").toUpperCase();
  if (name === "" || name === "STRICT") return "fp32";
  if (name === "BF16") return "bf16";
  throw new CoordTokError("backend", `${precisionVariable}: expected STRICT or BF16, got "${mode ?? ""}"; unset it.`);
}
