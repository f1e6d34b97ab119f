import type { Json, NamedBytes, TensorFile } from "@coordtok/core";
import type { StateDictRow } from "@coordtok/core/state-dict";

/** What a person may say about a model, where its shapes leave it open. */
export interface ModelHints {
  /** The content of a configuration file, ours or official arguments. */
  readonly config?: Json | undefined;
  readonly heads?: number | undefined;
  readonly encoderHeads?: number | undefined;
  readonly decoderHeads?: number | undefined;
  /** The arguments that the checkpoint was trained with, where it has them, by official name. */
  readonly trainedWith?: ReadonlyMap<string, unknown> | undefined;
}

/** The part of a model to convert. */
export type ModelPart = "encoder" | "decoder";

/** Numbers of a state dict that no training changes, which our models compute. */
export interface FixedTensor {
  readonly shape: readonly number[];
  readonly values: () => Float32Array;
  /** What is wrong with stored numbers, one sentence; nothing when they are these. */
  readonly problemOf: (stored: Float32Array) => string | undefined;
}

/** A configuration of a model with all that converting needs of it. */
export interface OfficialForm {
  /** Ours, for our checkpoint. */
  readonly config: Json;
  /** Official arguments, for the metadata of official files. */
  readonly official: Json;
  /** Where the numbers of each of our parameters are in an official state dict. */
  readonly rows: readonly StateDictRow[];
  /** What an official state dict has beyond them. */
  readonly fixed: ReadonlyMap<string, FixedTensor>;
  /** What the model is, for people. */
  readonly description: readonly (readonly [string, string])[];
  /** The bytes of our checkpoint. */
  readonly encode: (
    tensors: Iterable<NamedBytes>,
    metadata: Readonly<Record<string, string>>,
  ) => AsyncGenerator<Uint8Array, void>;
}

/** A published kind of model: how its state dicts are told from others, and how its form follows from them. */
export interface OfficialModel {
  /** Its name, which is also the kind of our checkpoint. */
  readonly kind: "tokenizer" | "diffusion";
  /** Whether the names of a state dict are those of this kind. */
  readonly recognises: (stateDict: TensorFile) => boolean;
  /** Tensors that belong to the training and are left behind. */
  readonly isDropped: (name: string) => boolean;
  /** The part of the model that an official name belongs to; `undefined` when the model has no parts. */
  readonly partOf: (name: string) => ModelPart | undefined;
  /** The form that fits the shapes. */
  readonly infer: (stateDict: TensorFile, hints: ModelHints) => OfficialForm;
  /** The form of one of our configurations. */
  readonly formOf: (config: Json) => OfficialForm;
  /** The parameters of one of our checkpoints by path: its trained weights, or their average. */
  readonly prefixOf: (weights: "ema" | "model") => string;
}
