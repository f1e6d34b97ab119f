import { isCoordTokError, Random } from "@coordtok/core";
import { getHeapStatistics } from "node:v8";

/** A format and what reads it. */
export interface FuzzTarget {
  readonly name: string;
  /** How many of the inputs it gets, as a share of those of the others (default 1). */
  readonly weight?: number;
  /** Valid inputs, at least one. */
  readonly seeds: readonly Uint8Array[];
  /** Makes an input of two of them. */
  readonly mutate: (seed: Uint8Array, other: Uint8Array, random: Random) => Uint8Array;
  /**
   * Reads an input as commands do.
   * @param past is called when the head has been understood, so that what follows lies behind it.
   * @param holds is called with numbers of bytes that are held at a time, besides what the engine sees.
   */
  readonly read: (input: Uint8Array, past: () => void, holds: (bytes: number) => void) => Promise<void>;
}

/** The outcome of many inputs. */
export interface FuzzReport {
  readonly inputs: number;
  /** The number that were read to the end. */
  readonly read: number;
  /** The number that were refused with one of our errors. */
  readonly refused: number;
  /** The number, read or refused, whose head was understood. */
  readonly pastHeader: number;
  readonly slowestMs: number;
  /** The most bytes held for one input beyond twice its size. */
  readonly mostBytes: number;
  /** Inputs with other outcomes; at most {@link mostFailures} of each target. */
  readonly failures: readonly FuzzFailure[];
}

/** An input that shows a fault. */
export interface FuzzFailure {
  readonly target: string;
  readonly index: number;
  readonly problem: string;
  readonly input: Uint8Array;
}

/** Where the inputs of a run begin and end, and how they are told. */
export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** The number of the first input (default 0), for runs in several processes. */
  readonly first?: number;
  /** Called before every input with its number. */
  readonly onInput?: (index: number) => void;
}

/** An input that takes longer than this counts as a hang. */
const longestMs = 8000;
/** What reading may hold beyond twice the size of the file: nodes of small values, messages, what the collector has not freed yet. */
const freeBytes = 2 ** 26;
const mostFailures = 20;

/** The input of a number, which depends on nothing but the seed and the number. */
export function inputOf(targets: readonly FuzzTarget[], seed: number, index: number): [FuzzTarget, Uint8Array] {
  const random = new Random(seed * 2 ** 28 + index);
  const target = chosen(targets, random);
  const any = (): Uint8Array => target.seeds[random.integer(target.seeds.length)]!;
  return [target, target.mutate(any(), any(), random)];
}

function chosen(targets: readonly FuzzTarget[], random: Random): FuzzTarget {
  const total = targets.reduce((sum, { weight = 1 }) => sum + weight, 0);
  let left = random.uniform() * total;
  return targets.find(({ weight = 1 }) => (left -= weight) < 0) ?? targets[0]!;
}

/** Reads many changed inputs, and reports for each format whether they were read or refused as they should be. */
export async function fuzz(targets: readonly FuzzTarget[], options: FuzzOptions): Promise<Map<string, FuzzReport>> {
  const { inputs, seed, first = 0, onInput } = options;
  const reports = new Map(targets.map(({ name }) => [name, new Tally()]));
  for (let index = first; index < first + inputs; index++) {
    onInput?.(index);
    const [target, input] = inputOf(targets, seed, index);
    await reports.get(target.name)!.take(target, index, input);
  }
  return reports;
}

/** Adds the reports of several runs. */
export function addReports(reports: readonly ReadonlyMap<string, FuzzReport>[]): Map<string, FuzzReport> {
  const sum = new Map<string, FuzzReport>();
  for (const [name, report] of reports.flatMap((one) => [...one])) {
    const before = sum.get(name);
    sum.set(name, before === undefined ? report : added(before, report));
  }
  return sum;
}

function added(a: FuzzReport, b: FuzzReport): FuzzReport {
  return {
    inputs: a.inputs + b.inputs,
    read: a.read + b.read,
    refused: a.refused + b.refused,
    pastHeader: a.pastHeader + b.pastHeader,
    slowestMs: Math.max(a.slowestMs, b.slowestMs),
    mostBytes: Math.max(a.mostBytes, b.mostBytes),
    failures: [...a.failures, ...b.failures],
  };
}

class Tally implements FuzzReport {
  inputs = 0;
  read = 0;
  refused = 0;
  pastHeader = 0;
  slowestMs = 0;
  mostBytes = 0;
  readonly failures: FuzzFailure[] = [];

  async take(target: FuzzTarget, index: number, input: Uint8Array): Promise<void> {
    this.inputs++;
    const fail = (problem: string): void => {
      if (this.failures.length < mostFailures) this.failures.push({ target: target.name, index, problem, input });
    };
    let [isPast, held] = [false, 0];
    const before = heldBytes();
    const begin = performance.now();
    try {
      await target.read(
        input,
        () => (isPast = true),
        (bytes) => (held = Math.max(held, bytes)),
      );
      this.read++;
    } catch (thrown) {
      if (isCoordTokError(thrown)) this.refused++;
      else fail(thrown instanceof Error ? (thrown.stack ?? String(thrown)) : `threw ${String(thrown)}`);
    }
    const ms = performance.now() - begin;
    // Neither figure holds everything: what was freed again is missing from one, what no reader told from the other.
    const beyond = Math.max(held, heldBytes() - before) - 2 * input.length;
    if (isPast) this.pastHeader++;
    this.slowestMs = Math.max(this.slowestMs, ms);
    this.mostBytes = Math.max(this.mostBytes, beyond);
    // A busy machine may be slow once, and leave the process waiting.
    if (ms > longestMs && (await timeOf(target, input)) > longestMs) fail(`took ${Math.round(ms)} ms`);
    if (beyond > freeBytes) fail(`held ${beyond} bytes more than twice the ${input.length} of the file`);
  }
}

/** The milliseconds that reading takes of the processor, of several threads together. */
async function timeOf(target: FuzzTarget, input: Uint8Array): Promise<number> {
  const begin = process.cpuUsage();
  await target
    .read(
      input,
      () => undefined,
      () => undefined,
    )
    .catch(() => undefined);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
