import { serve } from "../engine/serve.js";
import type { MediaCalls } from "./messages.js";
import { fitFrames } from "./pixels.js";
import { sceneClip } from "./scenes.js";

serve<MediaCalls>({
  scene: (settings) => sceneClip(settings),
  fit: ({ frames, height, width }) => fitFrames(frames, { height, width }),
  read: async ({ file, name, settings }, { signal, onProgress }) => {
    const { readVideo } = await import("./read-video.js");
    return readVideo(file, name, settings, { signal, onProgress });
  },
  pictures: async ({ files, name, settings }, { signal, onProgress }) => {
    const { readPictures } = await import("./read-pictures.js");
    return readPictures(files, name, settings, { signal, onProgress });
  },
  write: async ({ frames, fps, format }, { signal, onProgress }) => {
    const { writeVideo } = await import("./write-video.js");
    return writeVideo(frames, fps, format, { signal, onProgress });
  },
});
