// Times every measure on one backend and, in turn with it, in PyTorch. Prints a line of JSON for each.
import { CoordTokError, messageOf, Random } from "@coordtok/core";
import { loadBackend } from "@coordtok/backend";
import { frechetDistance, statisticsOf, type PooledStatistics } from "@coordtok/metrics";
import { median } from "../timing.js";
import { metricCases, type MetricCase } from "./metric-cases.js";
import { TorchSide } from "./torch-side.js";

/** What the process is asked for, as JSON in its argument. */
export interface MetricsRequest {
  readonly backend: string;
  /** Measurements of each side. */
  readonly rounds: number;
  /** The Python that has PyTorch. */
  readonly python: string | undefined;
}

/** One measure as it stands in the JSON file. */
export interface MetricRow {
  readonly measure: string;
  readonly backend: string;
  /** What computed, with versions. */
  readonly device: string;
  readonly frames: number;
  /** Of a frame, in pixels; of the Fréchet distance the number of features. */
  readonly side: number;
  /** Of one call: the median over the rounds. */
  readonly medianSeconds: number;
  readonly framesPerSecond: number | null;
  /** Of PyTorch, measured in turn with ours; null where there is none. */
  readonly peerMedianSeconds: number | null;
  readonly peerFramesPerSecond: number | null;
  /** Our median over PyTorch's; below 1 we are faster. */
  readonly ratio: number | null;
  readonly rounds: number;
}

/** Short calls are repeated until a measurement takes about as long. */
const measuredSeconds = 0.05;
const mostCalls = 100;

async function ownSeconds(run: () => Promise<void>, calls: number): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < calls; i++) await run();
  return (performance.now() - begin) / 1000 / calls;
}

/** A side's way to time a number of calls, with the number that takes long enough; the first two calls are not counted. */
async function prepared(seconds: (calls: number) => Promise<number>): Promise<() => Promise<number>> {
  await seconds(1);
  const once = await seconds(1);
  const calls = Math.max(1, Math.min(mostCalls, Math.ceil(measuredSeconds / once)));
  return async () => {
    // What the other side has driven out of the caches comes back first.
    await seconds(1);
    return seconds(calls);
  };
}

async function timed(
  one: MetricCase,
  { python, rounds }: MetricsRequest,
): Promise<{ own: number; peer: number | null }> {
  const torch = python === undefined || one.peer === undefined ? undefined : await TorchSide.start(python, one);
  const ours = await prepared((calls) => ownSeconds(one.run, calls));
  const theirs = torch && (await prepared((calls) => torch.seconds(calls)));
  const [own, peer]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    own.push(await ours());
    if (theirs) peer.push(await theirs());
  }
  await torch?.stop();
  return { own: median(own), peer: theirs ? median(peer) : null };
}

async function measure(request: MetricsRequest): Promise<void> {
  const { backend, rounds } = request;
  const loaded = await loadBackend(backend as "auto");
  const versions = Object.entries(loaded.versions).map(([part, version]) => `${part} ${version}`);
  const device = [loaded.device, `fused operations: ${loaded.fused.text}`, ...versions].join("; ");
  const write = (row: MetricRow): void => void process.stdout.write(`${JSON.stringify(row)}\n`);
  for (const one of metricCases()) {
    const { own, peer } = await timed(one, request);
    const { measure, frames, side } = one;
    write({
      ...{ measure, backend, device, frames, side, rounds },
      medianSeconds: own,
      framesPerSecond: frames / own,
      peerMedianSeconds: peer,
      peerFramesPerSecond: peer === null ? null : frames / peer,
      ratio: peer === null ? null : own / peer,
    });
  }
  for (const side of [400, 1024])
    write({
      ...{ measure: "Fréchet distance", backend, device, frames: 0, side, rounds: 1 },
      medianSeconds: await frechetSeconds(side),
      ...{ framesPerSecond: null, peerMedianSeconds: null, peerFramesPerSecond: null, ratio: null },
    });
}

async function frechetSeconds(features: number): Promise<number> {
  const random = new Random(2);
  const set = (): PooledStatistics => statisticsOf(random.normals(2 * features * features), features);
  const [first, second] = [set(), set()];
  return ownSeconds(async () => void frechetDistance(first, second), 1);
}

try {
  await measure(JSON.parse(process.argv[2] ?? "") as MetricsRequest);
} catch (thrown) {
  if (!(thrown instanceof CoordTokError)) throw thrown;
  process.stdout.write(`${JSON.stringify({ failed: [messageOf(thrown), ...thrown.details].join("\n") })}\n`);
}
