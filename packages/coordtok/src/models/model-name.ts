import { CoordTokError } from "@coordtok/core";
import { addressText, webAddress } from "@coordtok/core/text";

/** A file on a hub that speaks the protocol of Hugging Face. */
export interface HubName {
  readonly from: "hub";
  /** The repository, `OWNER/REPO`. */
  readonly repository: string;
  /** A branch, a tag, a commit or `refs/pr/N`. */
  readonly revision: string;
  /** Its path in the repository. */
  readonly file: string;
  /** The SHA-256 that the name asks for. */
  readonly sha256: string | undefined;
}

/** A file at any web address. */
export interface AddressName {
  readonly from: "address";
  /** Its address, without the fragment. */
  readonly url: URL;
  /** The SHA-256 that the name asks for. */
  readonly sha256: string | undefined;
}

/** The name of a model that is fetched. */
export type RemoteName = HubName | AddressName;

const hubForm = "hf:OWNER/REPO[@REVISION]/FILE";
const part = /^[\w][\w.-]{0,95}$/;
const revisionForm = /^(?:refs\/pr\/\d{1,9}|\w[\w.-]{0,99})$/;
/** No backslashes, no control characters, nothing that an address would read as its end. */
const fileForm = /^(?!\.{1,2}$)[^\\/\p{Cc}?#%:*"<>|]{1,200}$/u;

/**
 * Reads the name of a model on the web.
 * @param given `hf:OWNER/REPO[@REVISION]/FILE`, or an address that starts with `https://`; either may end in `#sha256=` and 64 hexadecimal digits.
 * @param revision of the repository, in place of the one in the name (default: that, or `main`).
 * @returns `undefined` for anything else, such as a path.
 * @throws CoordTokError `input` for a name that is not written like this.
 */
export function remoteName(given: string, revision?: string): RemoteName | undefined {
  if (given.startsWith("hf:")) return hubName(given, revision);
  if (!/^https?:\/\//i.test(given)) return undefined;
  if (revision !== undefined)
    throw new CoordTokError("input", "A web address has no revisions; leave the revision out.", {
      options: { revision: undefined },
    });
  const url = webAddress(given, "the address of a checkpoint");
  const sha256 = sumOf(url.hash, addressText(url));
  url.hash = "";
  return { from: "address", url, sha256 };
}

function hubName(given: string, revision: string | undefined): HubName {
  const [name = "", ...fragment] = given.slice(3).split("#");
  const match = /^([^/@]+\/[^/@]+)(?:@(refs\/pr\/\d+|[^/]+))?\/(.+)$/s.exec(name);
  const [, repository = "", named, file = ""] = match ?? [];
  const chosen = revision ?? named ?? "main";
  const isFine =
    repository.split("/").every((one) => part.test(one)) &&
    file.length <= 400 &&
    file.split("/").every((one) => fileForm.test(one));
  if (match === null || !isFine)
    throw new CoordTokError("input", `Expected a name of the form ${hubForm}, got "${given}".`);
  if (!revisionForm.test(chosen))
    throw new CoordTokError("input", `Expected a branch, a tag, a commit or refs/pr/N as revision, got "${chosen}".`);
  const sha256 = fragment.length === 0 ? undefined : sumOf(`#${fragment.join("#")}`, given);
  return { from: "hub", repository, revision: chosen, file, sha256 };
}

function sumOf(fragment: string, given: string): string | undefined {
  if (fragment === "") return undefined;
  const sum = /^#sha256=([0-9a-f]{64})$/i.exec(fragment)?.[1];
  if (sum !== undefined) return sum.toLowerCase();
  throw new CoordTokError("input", `Expected #sha256= and 64 hexadecimal digits at the end of "${given}".`);
}

/** A name as messages show it and records keep it; the query of an address, which may hold secrets, is left out. */
export function nameText(name: RemoteName): string {
  if (name.from === "address") return addressText(name.url);
  const { repository, revision, file } = name;
  return `hf:${repository}${revision === "main" ? "" : `@${revision}`}/${file}`;
}

/** Whether a name always stands for the same content: it names a commit or a SHA-256. */
export function isFixed(name: RemoteName): boolean {
  return name.sha256 !== undefined || (name.from === "hub" && /^[0-9a-f]{40}$/.test(name.revision));
}
