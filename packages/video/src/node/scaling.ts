/** Flags of ffmpeg's scaler that give the same bytes whatever the processor and the version of ffmpeg, and the least error. */
export const accurateScaling = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp";
