import { packageVersion } from "@coordtok/core/node";

/** The version of this package. */
export const ownVersion: string = packageVersion("coordtok", import.meta.url);
