/** How to set TensorFlow up. */
export const setupCommand = "npx coordtok setup";
