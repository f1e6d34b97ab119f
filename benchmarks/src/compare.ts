import type { Case } from "./case.js";
import type { Request, Measured } from "./child.js";
import { measurePeer, peerKnows, type Peer, type PeerMeasured } from "./peer.js";
import { measureInChild } from "./spawn.js";
import { median } from "./timing.js";

/** One result as it stands in the JSON file. */
export interface Row {
  readonly task: Case["task"];
  readonly preset: string;
  readonly backend: string;
  readonly precision: string;
  /** Median over our processes, each of which gives the best of its timed runs. */
  readonly medianSeconds: number;
  /** The largest resident memory of one of our processes. */
  readonly peakBytes: number;
  /** Of PyTorch, measured in turn with ours in the same way; null without it. */
  readonly peerMedianSeconds: number | null;
  /** Our median over PyTorch's; below 1 we are faster. */
  readonly ratio: number | null;
  /** How many processes the medians are of. */
  readonly runs: number;
  readonly peerPeakBytes: number | null;
  /** Of `sit`: what 50 and 250 evaluations take, a sample without its decoding by a solver with one evaluation a step. */
  readonly sampleSeconds?: { readonly [steps in SampleSteps]: number } | undefined;
  /** Whether other programs kept the machine busy meanwhile. */
  readonly busy: boolean;
}

/** For how many steps the cost of a sample is given. */
export const sampleSteps = [50, 250] as const;

type SampleSteps = (typeof sampleSteps)[number];

/** How a case is measured. */
export interface CompareOptions {
  readonly peer: Peer | undefined;
  /** Processes of each side (default 5; 3 or 1 where one run takes longer than half a minute or two). */
  readonly rounds: number | undefined;
  readonly signal: AbortSignal;
  /** Called before every round. */
  readonly onRound: (round: number, rounds: number) => void;
  /** The part of the processors that others use just now. */
  readonly isBusy: () => Promise<boolean>;
}

/** Measures a case: one process of ours, one of the peer's, and so on in turn. */
export async function compare(one: Case, options: CompareOptions): Promise<{ row: Row; device: string }> {
  const { peer, signal } = options;
  const asked = peer !== undefined && peerKnows(one) ? peer : undefined;
  const ours: Measured[] = [];
  const theirs: PeerMeasured[] = [];
  let runs: number | undefined;
  let rounds = options.rounds ?? 5;
  let busy = false;
  for (let round = 0; round < rounds; round++) {
    options.onRound(round + 1, rounds);
    busy = (await options.isBusy()) || busy;
    const request: Request = { kind: "case", case: one, runs };
    const measured = await measureInChild(request, signal);
    ours.push(measured);
    runs = measured.seconds.length;
    if (options.rounds === undefined) rounds = enoughRounds(Math.min(...measured.seconds));
    if (asked) theirs.push(await measurePeer(asked, one, runs, signal));
  }
  const medianSeconds = median(ours.map(({ seconds }) => Math.min(...seconds)));
  const peerMedianSeconds = theirs.length === 0 ? null : median(theirs.map(({ seconds }) => seconds));
  const { task, preset, backend, precision } = one;
  return {
    device: ours[0]!.device,
    row: {
      ...{ task, preset, backend, precision, medianSeconds },
      peakBytes: Math.max(...ours.map(({ peakBytes }) => peakBytes)),
      peerMedianSeconds,
      ratio: peerMedianSeconds === null ? null : medianSeconds / peerMedianSeconds,
      runs: ours.length,
      peerPeakBytes: theirs.length === 0 ? null : Math.max(...theirs.map(({ peakBytes }) => peakBytes)),
      busy,
      ...(task === "sit" ? { sampleSeconds: { 50: 50 * medianSeconds, 250: 250 * medianSeconds } } : {}),
    },
  };
}

/** A median of five, but of fewer where a single run takes minutes: whole clips of the largest model, slow backends. */
function enoughRounds(seconds: number): number {
  return seconds <= 30 ? 5 : seconds <= 120 ? 3 : 1;
}
