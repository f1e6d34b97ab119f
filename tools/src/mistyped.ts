/** A value of a type that the compiler refuses there, as a caller without types may give it. The cast is what the tests of such calls need. */
export function mistyped(value: unknown): never {
  // eslint-disable-next-line no-restricted-syntax -- the one place of this cast
  return value as never;
}
