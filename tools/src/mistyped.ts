/** Passes a value with a type that the compiler rejects, like a caller without types. Tests of such calls need this cast. */
export function mistyped(value: unknown): never {
  // eslint-disable-next-line no-restricted-syntax -- the only place of this cast
  return value as never;
}
