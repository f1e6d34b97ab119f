import { loadBackend } from "@coordtok/backend";
import type { BackendFacts } from "../worker/types.js";
import { decodeFrames } from "./decode.js";
import { encodeFrames } from "./encode.js";
import { generatePlanes, openGenerator } from "./generate.js";
import { openFile } from "./open.js";
import { loadModel } from "./models.js";
import { refineFilm } from "./refine.js";
import { rateOf, saveFile } from "./save.js";
import type { CallEvent, Calls } from "../worker/messages.js";
import type { HandlerContext, Handlers } from "./serve.js";

/** What the work of a call is given beside its arguments. */
export type WorkContext = HandlerContext<CallEvent>;

/** The calls of the worker. */
export const handlers: Handlers<Calls> = {
  start: async ({ backend }, { signal, onProgress }) => {
    const { name, device, fused, passedOver } = await loadBackend(backend, { signal, onProgress });
    return {
      name: name as BackendFacts["name"],
      device,
      fused: fused.active,
      passedOver: passedOver.map((one) => ({ name: one.name, reason: one.reason })),
    };
  },
  load: ({ id, source }, { signal, onProgress }) => loadModel(id, source, { signal, onProgress }),
  encode: ({ frames, settings }, context) => encodeFrames(frames, settings, context),
  decode: ({ film, settings }, context) => decodeFrames(film, settings, context),
  refine: ({ film, frames, settings }, context) => refineFilm(film, frames, settings, context),
  open: ({ file, known }, context) => openFile(file, known, context),
  generator: ({ id, source, known }, context) => openGenerator(id, source, known, context),
  generate: (settings, context) => generatePlanes(settings, context),
  save: ({ film, settings }, context) => saveFile(film, settings, context),
  rate: ({ film, settings }, context) => rateOf(film, settings, context),
};
