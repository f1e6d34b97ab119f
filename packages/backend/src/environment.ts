/** An environment, as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

const forTheAllocator: Environment = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "8000000000",
  MALLOC_TOP_PAD_: "500000000",
};

/**
 * The environment to start a process with that computes on the native backend: glibc then keeps the memory of freed tensors
 * instead of giving it back to the system and fetching it anew, page by page. It must be there when the process starts, so a
 * program starts itself again when {@link hasNativeEnvironment} says no. Values that are set already stay.
 */
export function nativeEnvironment(env: Environment): Record<string, string | undefined> {
  return { ...forTheAllocator, ...env };
}

/** Whether an environment holds everything that {@link nativeEnvironment} would add. */
export function hasNativeEnvironment(env: Environment): boolean {
  return Object.keys(forTheAllocator).every((name) => env[name] !== undefined);
}
