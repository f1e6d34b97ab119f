/** The exit codes and what they mean, as the help prints them. */
export const exitCodes: Readonly<Record<"fine" | "failed" | "usage" | "bug" | "stopped", number>> = {
  fine: 0,
  failed: 1,
  usage: 2,
  bug: 70,
  stopped: 130,
};
