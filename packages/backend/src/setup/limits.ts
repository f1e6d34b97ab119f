/** How long the programs that setup and doctor start may take. */
export const limits = {
  /** To say which version they are; a shim that starts Python cold takes seconds, and nvidia-smi hangs with a broken driver. */
  answer: { seconds: 60 },
  /** To fetch one wheel: 700 MB at 300 kbit/s. */
  download: { seconds: 21_600 },
  /** To fetch a package of 220 kB. */
  npm: { seconds: 600 },
  compile: { seconds: 1800 },
  selfTest: { seconds: 600 },
} as const;
