/** Where files of published weights lie unless told otherwise, seen from the current folder. */
export const defaultWeightsFolder = "weights";
