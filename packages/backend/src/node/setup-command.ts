/** The command that sets TensorFlow up. */
export const setupCommand = "npx coordtok setup";
