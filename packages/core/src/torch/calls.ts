import type { TensorType } from "../checkpoint/tensor-file.js";
import { bytesOfType, typeNamed } from "./dtypes.js";
import { quoted, type Fail } from "./failure.js";
import { isCount, isKind, isList, openRecord, type TorchStorage, type TorchTensor, type TorchValue } from "./values.js";

type Call = (args: readonly TorchValue[], fail: Fail) => TorchValue;

const mostAxes = 64;

/** Makes a tensor from `(storage, offset, shape, strides, …)`. All its numbers must be inside its storage. */
function tensorFrom(args: readonly TorchValue[], dtype: TensorType | undefined, fail: Fail): TorchTensor {
  const [storage, offset, shape, strides] = args;
  if (!isKind(storage, "storage")) return fail("a tensor has no storage");
  if (!isCount(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length)
    return fail("the position of a tensor in its storage is not given by whole numbers");
  const type = dtype ?? storage.dtype;
  if (type === undefined) return fail("a tensor does not state its number type");
  const tensor: TorchTensor = { kind: "tensor", dtype: type, shape, strides, offset, storage };
  const { count, extent } = extentOf(tensor);
  if (!Number.isSafeInteger(count)) return fail("a tensor is larger than any file");
  if (count > 0 && (offset + extent) * bytesOfType(type) > storage.size)
    return fail(
      `a tensor of shape [${shape.join(", ")}] reaches beyond its storage ${quoted(storage.key)} of ${storage.size} bytes`,
    );
  return tensor;
}

/** Returns the count of a tensor's numbers, and the length of the stretch of storage from its first number to its last, inclusive. */
export function extentOf({ shape, strides }: Pick<TorchTensor, "shape" | "strides">): {
  count: number;
  extent: number;
} {
  return {
    count: shape.reduce((product, size) => product * size, 1),
    extent: 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0),
  };
}

function isSizes(value: TorchValue | undefined): value is readonly number[] {
  return isList(value) && value.length <= mostAxes && value.every(isCount);
}

/** `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata)`. */
const tensorV2: Call = (args, fail) => tensorWithoutMarks(tensorFrom(args, undefined, fail), args[6], fail);

/** `_rebuild_tensor_v3`: as version 2, with the number type, over a storage of plain bytes. */
const tensorV3: Call = (args, fail) => {
  const dtype = args[6];
  const type = isKind(dtype, "name") ? typeNamed(dtype.name) : undefined;
  if (type === undefined)
    return fail(
      `a tensor has the number type ${isKind(dtype, "name") ? quoted(dtype.name) : "of no name"}, which is not supported`,
    );
  return tensorWithoutMarks(tensorFrom(args, type, fail), args[7], fail);
};

/** Refuses a tensor marked as the conjugate or negative of the stored numbers, which checkpoints of weights do not use. */
function tensorWithoutMarks(tensor: TorchTensor, marks: TorchValue | undefined, fail: Fail): TorchTensor {
  if (marks instanceof Map && [...marks.values()].includes(true))
    return fail(
      "a tensor is stored as its conjugate or negative, which is not supported; save it again after resolve_conj() and resolve_neg()",
    );
  return tensor;
}

const first: Call = ([value], fail) => value ?? fail("a call has no argument");

const listed: Call = ([items = []], fail) => (isList(items) ? items : fail("a call has no list to work on"));

const dictionary: Call = ([pairs = []], fail) => {
  if (pairs instanceof Map) return new Map(pairs as ReadonlyMap<TorchValue, TorchValue>);
  if (!isList(pairs) || !pairs.every((pair) => isList(pair) && pair.length === 2))
    return fail("a dictionary is made from something other than a list of pairs");
  return new Map(pairs as unknown as readonly (readonly [TorchValue, TorchValue])[]);
};

const byteText: Call = ([text], fail) => {
  if (text instanceof Uint8Array) return text;
  return typeof text === "string"
    ? Uint8Array.from(text, (sign) => sign.charCodeAt(0))
    : fail("bytes are made from something other than text");
};

const record =
  (className: string): Call =>
  (args) =>
    openRecord(className, args);

/** The readers of NumPy scalars by the code of `numpy.dtype(code, …)`; its attributes, which follow, do not matter for these types. */
const numpyReaders: Readonly<Record<string, (view: DataView) => number | bigint | boolean>> = {
  f8: (view) => view.getFloat64(0, true),
  f4: (view) => view.getFloat32(0, true),
  i8: (view) => view.getBigInt64(0, true),
  u8: (view) => view.getBigUint64(0, true),
  i4: (view) => view.getInt32(0, true),
  u4: (view) => view.getUint32(0, true),
  i2: (view) => view.getInt16(0, true),
  u2: (view) => view.getUint16(0, true),
  i1: (view) => view.getInt8(0),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0,
};

const numpyScalar: Call = ([dtype, bytes], fail) => {
  const code = isKind(dtype, "record") ? dtype.args[0] : undefined;
  const read = typeof code === "string" && Object.hasOwn(numpyReaders, code) ? numpyReaders[code] : undefined;
  if (!read || !(bytes instanceof Uint8Array)) return openRecord("numpy.scalar", [dtype ?? null, bytes ?? null]);
  if (bytes.length !== Number((code as string).slice(1))) return fail("a NumPy scalar has the wrong number of bytes");
  const value = read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return typeof value === "bigint" && BigInt(Number(value)) === value ? Number(value) : value;
};

const reconstructor: Call = ([className], fail) =>
  isKind(className, "name") ? openRecord(className.name, []) : fail("an object has no class");

/** `_rebuild_from_type_v2(function, type, args, state)`: a subclass of Tensor, read as a plain tensor. */
const fromType: Call = ([callee, , args], fail) => {
  const isOther = isKind(callee, "name") && calls.get(callee.name) !== fromType;
  const value = isOther && isList(args) ? callKnown(callee.name, args, fail) : undefined;
  return value ?? fail("a tensor of a subclass is made by a function that is not allowed");
};

const device: Call = ([type, index], fail) => {
  if (typeof type !== "string") return fail("a device has no name");
  return typeof index === "number" ? `${type}:${index}` : type;
};

const path: Call = (parts) =>
  parts
    .filter((part) => typeof part === "string")
    .join("/")
    .replace(/^\/\//, "/");

/**
 * The functions that a checkpoint may ask to call, each with the replacement that runs here. The replacements only assemble values.
 */
const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["torch._utils._rebuild_tensor", (args, fail) => tensorFrom(args, undefined, fail)],
  ["torch._utils._rebuild_tensor_v2", tensorV2],
  ["torch._utils._rebuild_tensor_v3", tensorV3],
  ["torch._utils._rebuild_parameter", first],
  ["torch._utils._rebuild_parameter_with_state", first],
  ["torch._tensor._rebuild_from_type", fromType],
  ["torch._tensor._rebuild_from_type_v2", fromType],
  ["torch.Size", listed],
  ["torch.device", device],
  ["torch.serialization._get_layout", first],
  ...["build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag"].map(
    (name): [string, Call] => [`torch.jit._pickle.${name}`, first],
  ),
  ["collections.OrderedDict", dictionary],
  ["collections.Counter", dictionary],
  // The first argument makes missing values, which nothing here asks for.
  ["collections.defaultdict", () => new Map()],
  ["collections.deque", (args, fail) => [...(listed(args, fail) as readonly TorchValue[])]],
  ["builtins.list", (args, fail) => [...(listed(args, fail) as readonly TorchValue[])]],
  ["builtins.tuple", listed],
  ["builtins.dict", dictionary],
  ["builtins.set", (args, fail) => new Set(listed(args, fail) as readonly TorchValue[])],
  ["builtins.frozenset", (args, fail) => new Set(listed(args, fail) as readonly TorchValue[])],
  ["builtins.bytearray", (args, fail) => (args.length === 0 ? new Uint8Array(0) : byteText(args, fail))],
  ["builtins.bytes", (args, fail) => (args.length === 0 ? new Uint8Array(0) : byteText(args, fail))],
  ["builtins.complex", record("builtins.complex")],
  ["builtins.slice", record("builtins.slice")],
  ["builtins.range", record("builtins.range")],
  ["_codecs.encode", byteText],
  ["copyreg._reconstructor", reconstructor],
  ["copy_reg._reconstructor", reconstructor],
  ["argparse.Namespace", record("argparse.Namespace")],
  ["numpy.dtype", record("numpy.dtype")],
  ...["numpy.core", "numpy._core"].flatMap((module): [string, Call][] => [
    [`${module}.multiarray.scalar`, numpyScalar],
    [`${module}.multiarray._reconstruct`, record("numpy.ndarray")],
  ]),
  ...["PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"].map((name): [string, Call] => [
    `pathlib.${name}`,
    path,
  ]),
]);

/** Runs the replacement of an allowed function; returns `undefined` for any other function. */
export function callKnown(name: string, args: readonly TorchValue[], fail: Fail): TorchValue | undefined {
  return calls.get(name)?.(args, fail);
}

/**
 * Resolves a persistent reference to a storage: `("storage", class, key, device, count)`, followed before PyTorch 1.6 by a view
 * of another storage. That format also refers to classes together with their source text, of which only the name is used.
 */
export function resolveReference(
  reference: TorchValue,
  storageOf: (className: string, key: string, count: number, view: TorchValue) => TorchStorage,
  fail: Fail,
): TorchValue {
  const [what, type, key, , count, view = null] = isList(reference) ? reference : [];
  if (what === "module" && isKind(type, "name")) return type;
  const isStorage = what === "storage" && isKind(type, "name") && isCount(count);
  if (!isStorage || !(typeof key === "string" || typeof key === "number"))
    return fail("the pickle refers to something that is not a storage");
  return storageOf(type.name, String(key), count, view);
}
