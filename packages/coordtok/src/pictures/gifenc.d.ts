declare module "gifenc" {
  type Palette = number[][];
  interface Encoder {
    writeFrame(
      index: Uint8Array,
      width: number,
      height: number,
      options: { readonly palette?: Palette; readonly delay: number; readonly repeat?: number },
    ): void;
    finish(): void;
    bytes(): Uint8Array;
  }
  const gifenc: {
    readonly GIFEncoder: () => Encoder;
    readonly quantize: (rgba: Uint8Array, colours: number, options: { readonly format: "rgb565" }) => Palette;
    readonly applyPalette: (rgba: Uint8Array, palette: Palette, format: "rgb565") => Uint8Array;
  };
  export default gifenc;
}
