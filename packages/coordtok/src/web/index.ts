// Models by their addresses: what runs in a browser.
export { CoordTok, Generator, type FetchedGeneratorOptions, type FetchedTokenizerOptions } from "./from-pretrained.js";
