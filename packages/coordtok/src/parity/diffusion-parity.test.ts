import { describeParity, hasShared } from "./testing.js";

describeParity(
  "parity of the diffusion model",
  [
    "diffusion/ema",
    "diffusion/intervals",
    "diffusion/label-embedding",
    "diffusion/latent-statistics",
    "diffusion/losses-original",
    "diffusion/noise-to-video",
    "diffusion/ode-original",
    "diffusion/ode-triplane",
    "diffusion/paths",
    "diffusion/sde-original",
    "diffusion/sde-triplane",
    "diffusion/sincos-position",
    "diffusion/sit-forward",
    "diffusion/timestep-embedding",
    "diffusion/train-loss",
  ],
  {
    reasonToSkip: (kind) =>
      kind === "diffusion/noise-to-video" && !hasShared ? "its case is not beside the repository" : undefined,
  },
);
