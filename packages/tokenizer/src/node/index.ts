export { loadModel } from "./load-model.js";
