/** The flags of ffmpeg's scaler that give the same bytes on every processor and version of ffmpeg, with the least error. */
export const accurateScaling = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp";
