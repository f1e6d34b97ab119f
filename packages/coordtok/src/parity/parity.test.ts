import { describeParity } from "./testing.js";

describeParity(
  "parity",
  [
    "triplane/lookup",
    "tokenizer/adamw",
    "tokenizer/coordinate-index",
    "tokenizer/decode-points",
    "tokenizer/decode-video",
    "tokenizer/encode",
    "tokenizer/loss-stage1",
    "tokenizer/loss-stage2-lpips",
    "tokenizer/sampling",
  ],
  { ownOnly: true },
);
