/** Whether the fused operations of a backend are in use. */
export interface FusedState {
  /** Whether they are in use. */
  readonly active: boolean;
  /** The build in use, such as `AVX-512, 2 threads`, or why there is none. */
  readonly text: string;
  /** Whether something is wrong that the user can fix; `text` says what. */
  readonly problem?: boolean;
}
