// Times every measure on one backend, alternating with PyTorch. Prints a line of JSON for each.
import { CoordTokError, messageOf, Random } from "@coordtok/core";
import { loadBackend } from "@coordtok/backend";
import { frechetDistance, statisticsOf, type PooledStatistics } from "@coordtok/metrics";
import { median } from "../timing.js";
import { metricCases, type MetricCase } from "./metric-cases.js";
import { TorchSide } from "./torch-side.js";

/** The request to the process, as JSON in its argument. */
export interface MetricsRequest {
  readonly backend: string;
  /** Number of measurements on each side. */
  readonly rounds: number;
  /** The Python that has PyTorch. */
  readonly python: string | undefined;
}

/** One measure, as written to the JSON file. */
export interface MetricRow {
  readonly measure: string;
  readonly backend: string;
  /** The device, with versions. */
  readonly device: string;
  readonly frames: number;
  /** The side of a frame in pixels; for the Fréchet distance the number of features. */
  readonly side: number;
  /** The time of one call: the median over the rounds. */
  readonly medianSeconds: number;
  readonly framesPerSecond: number | null;
  /** The same for PyTorch, measured alternately with ours; null without it. */
  readonly peerMedianSeconds: number | null;
  readonly peerFramesPerSecond: number | null;
  /** Our median divided by PyTorch's; below 1 we are faster. */
  readonly ratio: number | null;
  readonly rounds: number;
}

/** Short calls are repeated until a measurement takes about this long. */
const measuredSeconds = 0.05;
const mostCalls = 100;

async function ownSeconds(run: () => Promise<void>, calls: number): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < calls; i++) await run();
  return (performance.now() - begin) / 1000 / calls;
}

/** Prepares one side: warms it up with two calls and finds the number of calls that takes long enough to time. */
async function prepared(seconds: (calls: number) => Promise<number>): Promise<() => Promise<number>> {
  await seconds(1);
  const once = await seconds(1);
  const calls = Math.max(1, Math.min(mostCalls, Math.ceil(measuredSeconds / once)));
  return async () => {
    // This call refills the caches after the other side has used them.
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
