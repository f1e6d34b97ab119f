import { describeParity, hasShared } from "./testing.js";

describeParity(
  "parity of the metrics",
  [
    "metrics/eight-bit",
    "metrics/psnr-ssim",
    "metrics/lpips",
    "metrics/frechet",
    "metrics/fvd-preprocess",
    "metrics/i3d",
  ],
  {
    reasonToSkip: (kind, backend) => {
      if (kind === "metrics/i3d" && backend === "cpu")
        return "plain JavaScript takes half an hour; `pnpm parity` runs it";
      if (kind === "metrics/fvd-preprocess" && !hasShared) return "its case is not beside the repository";
      return undefined;
    },
  },
);
