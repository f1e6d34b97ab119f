// Priors learnt from planes.
export { channelsOutermost, fitPriors, type FittedPlanes } from "./fit-priors.js";
