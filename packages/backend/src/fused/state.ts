/** Whether the fused operations of a backend are in use. */
export interface FusedState {
  /** They are in use. */
  readonly active: boolean;
  /** Which build, such as `AVX-512, 2 threads`, or why there is none. */
  readonly text: string;
  /** Something is wrong that the user can fix; `text` says what. */
  readonly problem?: boolean;
}
