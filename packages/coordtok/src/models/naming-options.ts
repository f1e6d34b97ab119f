import { longCallOptionNames, type LongCallOptions, type Notices, type OptionNames } from "@coordtok/core";

/** Options of everything that takes a model by its name. */
export interface NamingOptions extends LongCallOptions, Notices {
  /** Uses what is there and fetches nothing (default: whether `HF_HUB_OFFLINE` is set). */
  readonly offline?: boolean | undefined;
}

/** The names of {@link NamingOptions}. */
export const namingOptionNames: OptionNames<NamingOptions> = {
  ...longCallOptionNames,
  onWarning: true,
  onNote: true,
  offline: true,
};
