/** What becomes of videos of which only a part decodes: they are left out, what decodes is used, or the first ends the run. */
export type DamagedPolicy = (typeof damagedPolicies)[number];

/** The policies for damaged videos. */
export const damagedPolicies = ["use", "skip", "fail"] as const;
