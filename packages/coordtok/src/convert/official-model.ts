import type { Json, NamedBytes, TensorFile } from "@coordtok/core";
import type { StateDictRow } from "@coordtok/core/state-dict";

/** Hints about a model, for what its shapes do not determine. */
export interface ModelHints {
  /** The content of a configuration file, ours or official arguments. */
  readonly config?: Json | undefined;
  readonly heads?: number | undefined;
  readonly encoderHeads?: number | undefined;
  readonly decoderHeads?: number | undefined;
  /** The arguments that the checkpoint was trained with, by official name, if it holds them. */
  readonly trainedWith?: ReadonlyMap<string, unknown> | undefined;
}

/** The part of a model to convert. */
export type ModelPart = "encoder" | "decoder";

/** A tensor of a state dict that no training changes and that our models compute. */
export interface FixedTensor {
  readonly shape: readonly number[];
  readonly values: () => Float32Array;
  /** Describes in one sentence how stored values differ from the computed ones; `undefined` when they agree. */
  readonly problemOf: (stored: Float32Array) => string | undefined;
}

/** A configuration of a model, with everything that the conversion needs to know about it. */
export interface OfficialForm {
  /** Our configuration, for our checkpoint. */
  readonly config: Json;
  /** The official arguments, for the metadata of official files. */
  readonly official: Json;
  /** For each of our parameters, the tensor of an official state dict that holds its values. */
  readonly rows: readonly StateDictRow[];
  /** The tensors of an official state dict that are not among the rows. */
  readonly fixed: ReadonlyMap<string, FixedTensor>;
  /** The description of the model, as lines for people. */
  readonly description: readonly (readonly [string, string])[];
  /** The metadata of official files that we write (default: the official arguments). */
  readonly fileMetadata?: Readonly<Record<string, string>> | undefined;
  /** Encodes our checkpoint. */
  readonly encode: (
    tensors: Iterable<NamedBytes>,
    metadata: Readonly<Record<string, string>>,
  ) => AsyncGenerator<Uint8Array, void>;
}

/** A published kind of model: how its state dicts are recognised, and how its form is inferred from them. */
export interface OfficialModel {
  /** Its name, which is also the kind of our checkpoint. */
  readonly kind: "tokenizer" | "diffusion";
  /** Whether the names of a state dict are those of this kind. */
  readonly recognises: (stateDict: TensorFile) => boolean;
  /** Whether a tensor belongs to the training and is not converted. */
  readonly isDropped: (name: string) => boolean;
  /** The part of the model that an official name belongs to; `undefined` when the model has no parts. */
  readonly partOf: (name: string) => ModelPart | undefined;
  /** Infers the form from the shapes. */
  readonly infer: (stateDict: TensorFile, hints: ModelHints) => OfficialForm;
  /** Makes the form of one of our configurations. */
  readonly formOf: (config: Json) => OfficialForm;
  /** The path prefix of the parameters in one of our checkpoints: of the trained weights, or of their average. */
  readonly prefixOf: (weights: "ema" | "model") => string;
}
