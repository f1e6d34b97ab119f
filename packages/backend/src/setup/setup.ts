import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CoordTokError, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { fileWriteError, sha256OfFile, writeAtomically } from "@coordtok/core/node";
import { cacheFolder } from "../node/cache-folder.js";
import {
  addonName,
  currentFile,
  factsName,
  findInstallation,
  installationsFolder,
  type Installation,
  type InstallationFacts,
} from "../node/installation.js";
import { installCommand } from "../node/native.js";
import { findTfjsNode, tfjsNodePackage, type TfjsNodePackage } from "../node/tfjs-node.js";
import { compileAddon, fetchZig, findCompiler } from "./compiler.js";
import { downloadWheel } from "./download.js";
import { neededHeaders } from "./headers.js";
import { thisMachine, wheelPlatform, type Machine, type WheelPlatform } from "./platform.js";
import { findPip, type Pip } from "./python.js";
import { selfTest } from "./self-test.js";
import { openWheel } from "./wheel.js";
export const pinnedTensorflow = "2.18.1";
export interface SetupOptions extends LongCallOptions {
  readonly device?: "auto" | "cpu" | "gpu" | undefined;
  readonly tensorflow?: string | undefined;
  readonly wheel?: string | undefined;
  readonly python?: string | undefined;
  readonly cacheDir?: string | undefined;
  readonly force?: boolean | undefined;
  readonly onNote?: ((text: string) => void) | undefined;
}
export interface SetupReport {
  readonly alreadySetUp: boolean;
  readonly installation: Installation;
}
/** thin first version */
export async function setupTensorflow(options: SetupOptions = {}): Promise<SetupReport> {
  const env = process.env;
  const cache = options.cacheDir ?? cacheFolder(env);
  const platform = wheelPlatform(thisMachine());
  const found = await findInstallation(cache, platform.name);
  if (!("missing" in found) && options.force !== true) return { alreadySetUp: true, installation: found };
  const tfjsNode = findTfjsNode();
  if (tfjsNode === undefined)
    throw new CoordTokError("setup", `${tfjsNodePackage} is not installed; run ${installCommand}.`);
  const version = options.tensorflow ?? pinnedTensorflow;
  const id = `tensorflow-${version}-cpu-${platform.name}-${randomBytes(4).toString("hex")}`;
  const staging = join(installationsFolder(cache), `.unfinished-${process.pid}-${id}`);
  await mkdir(staging, { recursive: true });
  try {
    const pip = await findPip(options.python, env, options.signal);
    const wheelPath = await downloadWheel({
      ...options,
      pip,
      env,
      requirement: `${platform.cpuProject}==${version}`,
      tags: platform.tags,
      into: join(staging, "wheels"),
    });
    const wheel = await openWheel(wheelPath);
    const names = [...platform.libraries, ...(await neededHeaders(wheel))];
    const sums = await wheel.extract(names, staging, { signal: options.signal });
    wheel.close();
    const compiler = (await findCompiler(env)) ?? (await fetchZig(pip, join(staging, "zig"), env, options));
    await compileAddon(compiler, tfjsNode, platform, staging, options);
    const files = await Promise.all(
      [...platform.libraries, addonName].map(async (path) => ({
        path,
        bytes: (await stat(join(staging, path))).size,
        sha256: sums.get(path) ?? (await sha256OfFile(join(staging, path))),
      })),
    );
    const facts: InstallationFacts = {
      format: 1,
      tensorflow: version,
      device: "cpu",
      asked: {},
      platform: platform.name,
      tfjsNode: tfjsNode.version,
      compiler: compiler.name,
      wheels: [{ name: basename(wheelPath), sha256: await sha256OfFile(wheelPath) }],
      files,
      selfTest: { node: process.version, gigaflops: 0, devices: [] },
      madeAt: new Date().toISOString(),
    };
    await rm(join(staging, "wheels"), { recursive: true });
    await writeFile(join(staging, factsName), JSON.stringify(facts));
    const result = await selfTest(staging, tfjsNode, env, options);
    await writeFile(
      join(staging, factsName),
      JSON.stringify({ ...facts, selfTest: { node: process.version, ...result } }, undefined, 2),
    );
    await rename(staging, join(installationsFolder(cache), id));
    await writeAtomically(currentFile(cache, platform.name), [JSON.stringify({ installation: id })], {
      overwrite: true,
    });
  } catch (thrown) {
    await rm(staging, { recursive: true, force: true });
    throw thrown;
  }
  const installation = await findInstallation(cache, platform.name);
  if ("missing" in installation) throw new Error(installation.missing);
  return { alreadySetUp: false, installation };
}
