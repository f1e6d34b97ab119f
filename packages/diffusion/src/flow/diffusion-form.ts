import { interpolant, type PathName } from "./interpolant.js";

/** The names of the functions of time that scale the noise of an SDE. */
export const diffusionForms = ["sigma", "sbdm", "linear", "constant", "decreasing", "increasing-decreasing"] as const;

/** A function of time, with norm n: `constant` n, `sbdm` n variance, `sigma` n sigma, `linear` n (1 - t), `decreasing` (n cos πt + 1)² / 4, `increasing-decreasing` n sin² πt. */
export type DiffusionForm = (typeof diffusionForms)[number];

/**
 * The diffusion coefficient `g` of an SDE; noise is added with variance `2 g dt` (`docs/spec.md#diffusion-forms`).
 * @param norm the `n` of {@link DiffusionForm}.
 */
export function diffusionCoefficient(form: DiffusionForm, path: PathName, norm: number, t: number): number {
  const { sigma, variance } = interpolant(path);
  switch (form) {
    case "constant":
      return norm;
    case "sbdm":
      return norm * variance(t);
    case "sigma":
      return norm * sigma(t);
    case "linear":
      return norm * (1 - t);
    case "decreasing":
      return (norm * Math.cos(Math.PI * t) + 1) ** 2 / 4;
    case "increasing-decreasing":
      return norm * Math.sin(Math.PI * t) ** 2;
  }
}
