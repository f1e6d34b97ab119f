import type { Case } from "./case.js";
import type { Request, Measured } from "./child.js";
import { measurePeer, peerKnows, type Peer, type PeerMeasured } from "./peer.js";
import { measureInChild } from "./spawn.js";
import { median } from "./timing.js";

/** One result, as written to the JSON file. */
export interface Row {
  readonly task: Case["task"];
  readonly preset: string;
  readonly backend: string;
  readonly precision: string;
  /** The median over our processes, each of which contributes the best of its timed runs. */
  readonly medianSeconds: number;
  /** The peak resident memory of one of our processes in bytes. */
  readonly peakBytes: number;
  /** The same for PyTorch, measured alternately with ours; null without it. */
  readonly peerMedianSeconds: number | null;
  /** Our median divided by PyTorch's; below 1 we are faster. */
  readonly ratio: number | null;
  /** Number of processes behind the medians. */
  readonly runs: number;
  readonly peerPeakBytes: number | null;
  /** For `sit`: the time of 50 and 250 evaluations, that is, of a sample without decoding by a solver with one evaluation per step. */
  readonly sampleSeconds?: { readonly [steps in SampleSteps]: number } | undefined;
  /** Whether other programs kept the machine busy during the measurement. */
  readonly busy: boolean;
}

/** The numbers of steps for which the cost of a sample is reported. */
export const sampleSteps = [50, 250] as const;

type SampleSteps = (typeof sampleSteps)[number];

/** How a case is measured. */
export interface CompareOptions {
  readonly peer: Peer | undefined;
  /** Number of processes on each side (default 5; 3 or 1 when one run takes longer than half a minute or two). */
  readonly rounds: number | undefined;
  readonly signal: AbortSignal;
  /** Called before every round. */
  readonly onRound: (round: number, rounds: number) => void;
  /** Whether other programs keep the machine busy. */
  readonly isBusy: () => Promise<boolean>;
}

/** Measures a case, alternating between a process of ours and one of the peer. */
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

/** The number of rounds: five, or fewer when a single run takes minutes, as for whole clips of the largest model and slow backends. */
function enoughRounds(seconds: number): number {
  return seconds <= 30 ? 5 : seconds <= 120 ? 3 : 1;
}
