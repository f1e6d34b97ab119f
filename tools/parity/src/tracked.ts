/** Plain data that remembers which of its fields were read. */
export interface Tracked {
  readonly value: Readonly<Record<string, unknown>>;
  /** The fields that were not read so far, as `weight_rule.lin` or `rows[3].code`. */
  readonly unread: () => string[];
}

/**
 * Follows the reads of plain data. A field counts as read when its value is taken; of objects, also within lists, every field counts for itself.
 * Copying an object reads all its fields, so handlers take the fields that they use by name.
 */
export function trackReads(data: Readonly<Record<string, unknown>>): Tracked {
  const unread = new Set<string>();
  const value = follow(data, "", unread) as Readonly<Record<string, unknown>>;
  return { value, unread: () => [...unread] };
}

function follow(data: unknown, path: string, unread: Set<string>): unknown {
  if (Array.isArray(data)) return data.map((item, i) => follow(item, `${path}[${i}]`, unread));
  if (!isObject(data)) return data;
  const fields = new Map<string, unknown>();
  for (const [key, value] of Object.entries(data)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (!holdsFields(value)) unread.add(at);
    fields.set(key, follow(value, at, unread));
  }
  return new Proxy(Object.fromEntries(fields), {
    get(target, key, receiver) {
      if (typeof key === "string") unread.delete(path === "" ? key : `${path}.${key}`);
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
}

/** Whether the fields within a value are followed instead of the value itself. */
function holdsFields(value: unknown): boolean {
  return Array.isArray(value) ? value.some(holdsFields) : isObject(value) && Object.keys(value).length > 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
