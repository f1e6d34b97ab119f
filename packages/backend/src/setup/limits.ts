/** The time limits of the programs that setup and doctor start. */
export const limits = {
  /** To print a version: a shim that starts Python cold takes seconds, and nvidia-smi hangs with a broken driver. */
  answer: { seconds: 60 },
  /** To download one wheel: 700 MB at 300 kbit/s. */
  download: { seconds: 21_600 },
  /** To fetch a package of 220 kB. */
  npm: { seconds: 600 },
  compile: { seconds: 1800 },
  selfTest: { seconds: 600 },
} as const;
