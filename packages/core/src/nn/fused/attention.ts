import type { Rank, Tensor3D, Tensor4D } from "@tensorflow/tfjs-core";
import type { KeyBias } from "../attention.js";
import { operation } from "../operation.js";
import { runFused } from "./kernels.js";

/** Cross-attention by the fused operations, which keep the largest logit and the softmax sum of each query for the gradient. */
export function fusedCrossAttention(
  query: Tensor3D,
  keyValue: Tensor3D,
  heads: number,
  bias: KeyBias | undefined,
): Tensor3D {
  return operation<Rank.R3>(
    [query, keyValue],
    (save) => {
      const [out, statistics] = runFused(
        "CoordTokCrossAttention",
        { query, keyValue, bias },
        { heads, statistics: true },
      );
      save([query, keyValue, out, statistics, ...present(bias)]);
      return out;
    },
    (dy, saved) => {
      const [q, kv, out, statistics, savedBias] = saved as [
        Tensor3D,
        Tensor3D,
        Tensor3D,
        Tensor4D,
        KeyBias | undefined,
      ];
      const inputs = { query: q, keyValue: kv, out, statistics, dy, bias: savedBias };
      return runFused("CoordTokCrossAttentionGradient", inputs, { heads });
    },
  );
}

/** Self-attention by the fused operations; see {@link fusedCrossAttention}. */
export function fusedSelfAttention(packed: Tensor3D, heads: number, bias: KeyBias | undefined): Tensor3D {
  return operation<Rank.R3>(
    [packed],
    (save) => {
      const [out, statistics] = runFused("CoordTokSelfAttention", { packed, bias }, { heads, statistics: true });
      save([packed, out, statistics, ...present(bias)]);
      return out;
    },
    (dy, saved) => {
      const [qkv, out, statistics, savedBias] = saved as [Tensor3D, Tensor3D, Tensor4D, KeyBias | undefined];
      const inputs = { packed: qkv, out, statistics, dy, bias: savedBias };
      return runFused("CoordTokSelfAttentionGradient", inputs, { heads });
    },
  );
}

function present(bias: KeyBias | undefined): KeyBias[] {
  return bias === undefined ? [] : [bias];
}
