import { integer, type Flag } from "./flags.js";

/** The flags that choose the part of a video. */
export const windowFlags: {
  readonly start: Flag<number>;
  readonly stride: Flag<number>;
  readonly length: Flag<number | undefined>;
} = {
  start: integer("index of the first frame", { minimum: 0, initial: 0 }),
  stride: integer("distance between frames; 2 takes every other frame", { minimum: 1, initial: 1 }),
  length: integer("number of frames; the paper's form takes at most the model's", {
    minimum: 1,
    defaultText: "the model's",
  }),
};
