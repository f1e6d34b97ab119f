import { CoordTokError } from "@coordtok/core";
import { hasFused, operation } from "@coordtok/core/nn";
import {
  add,
  concat,
  gather,
  matMul,
  mul,
  reshape,
  slice,
  stack,
  tensor1d,
  tensor2d,
  tidy,
  type Rank,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { fusedLookup, fusedLookupGradient, type BatchShape } from "./lookup-fused.js";
import { planLookup, scatterMatrix, type LookupPlan, type PlanePlan } from "./lookup-plan.js";
import { checkPoints, type PointSet } from "./points.js";
import { triplaneShape, type Triplane } from "./triplane.js";

/**
 * Looks up the features of a triplane at points: each plane is interpolated bilinearly at the point's two coordinates on it, with corners
 * aligned, exactly at the cells themselves; the three results are concatenated in the order xy, yt, xt (`docs/spec.md#look-up`).
 * Differentiable with respect to the planes, on every backend, but not with respect to the coordinates.
 * @param points one set that all B clips share (`batch` 1), or one set per clip (`batch` B).
 * @returns `[B, N, 3C]`, owned by the caller.
 * @throws CoordTokError `input` for coordinates outside [0, 1] or another number of sets, `shape` for planes that do not fit each other.
 */
export function lookup(triplane: Triplane, points: PointSet): Tensor3D {
  const shape = triplaneShape(triplane);
  checkPoints(points);
  if (points.batch !== 1 && points.batch !== shape.batch)
    throw new CoordTokError(
      "input",
      `Expected one set of points or one for each of the ${shape.batch} clips, got ${points.batch} sets.`,
    );
  const plan = planLookup(shape, points);
  const fused = hasFused("CoordTokWeightedRows") && hasFused("CoordTokWeightedRowsGradient");
  return fused ? applyFused(triplane, shape, plan) : applyPlan(triplane, plan);
}

function applyFused({ xy, yt, xt }: Triplane, shape: BatchShape, plan: LookupPlan): Tensor3D {
  return operation<Rank.R3>(
    [xy, yt, xt],
    () => fusedLookup({ xy, yt, xt }, shape, plan),
    (dy) => {
      const gradient = fusedLookupGradient(dy, shape, plan);
      return [gradient.xy, gradient.yt, gradient.xt];
    },
  );
}

function applyPlan({ xy, yt, xt }: Triplane, plan: LookupPlan): Tensor3D {
  const planes = [xy, yt, xt];
  return operation<Rank.R3>(
    planes,
    () =>
      concat(
        plan.planes.map((planePlan, k) => readPlane(planes[k]!, plan, planePlan)),
        2,
      ),
    (dy) => plan.planes.map((_, k) => scatterPlane(dy, plan, k, planes[k]!.shape)),
  );
}

/** Interpolates a plane `[B, outer, inner, C]` at N points, to `[B, N, C]`. */
function readPlane(plane: Tensor4D, plan: LookupPlan, planePlan: PlanePlan): Tensor3D {
  const [batch, , , channels] = plane.shape;
  const { count } = plan;
  const cells: Tensor2D = reshape(plane, [batch * planePlan.cells, channels]);
  return tidy(() => {
    let sum: Tensor2D | undefined;
    planePlan.corners.forEach((corner, k) => {
      const rows = gather(cells, tensor1d(cellsOfBatch(corner, planePlan.cells, plan, batch), "int32"));
      const weight = tensor2d(forBatch(planePlan.weights[k]!, plan, batch), [batch * count, 1]);
      const part: Tensor2D = mul(rows, weight);
      sum = sum === undefined ? part : add<Tensor2D>(sum, part);
    });
    return reshape(sum!, [batch, count, channels]);
  });
}

/** The weights of all clips; a shared set is repeated. */
function forBatch(weights: Float32Array, plan: LookupPlan, batch: number): Float32Array {
  if (plan.batch === batch) return weights;
  const repeated = new Float32Array(batch * plan.count);
  for (let clip = 0; clip < batch; clip++) repeated.set(weights, clip * plan.count);
  return repeated;
}

/** The cells of all clips as rows of the flattened batch of planes. */
function cellsOfBatch(corner: Int32Array, cells: number, plan: LookupPlan, batch: number): Int32Array {
  const { count } = plan;
  const shared = plan.batch === 1;
  return Int32Array.from(
    { length: batch * count },
    (_, i) => Math.floor(i / count) * cells + corner[shared ? i % count : i]!,
  );
}

/** The gradient of one plane: the bilinear weights times the gradient of its features, one matrix product per clip. */
function scatterPlane(dy: Tensor3D, plan: LookupPlan, k: number, shape: Tensor4D["shape"]): Tensor4D {
  const planePlan = plan.planes[k]!;
  const [batch, , , channels] = shape;
  return tidy(() => {
    const matrixOf = (clip: number): Tensor2D =>
      tensor2d(scatterMatrix(plan, planePlan, clip), [planePlan.cells, plan.count]);
    const shared = plan.batch === 1 ? matrixOf(0) : undefined;
    const clips = Array.from({ length: batch }, (_, clip) =>
      tidy(() => {
        const part: Tensor3D = slice(dy, [clip, 0, k * channels], [1, plan.count, channels]);
        return matMul(shared ?? matrixOf(clip), reshape(part, [plan.count, channels]) as Tensor2D);
      }),
    );
    return reshape(stack(clips, 0), shape);
  });
}
