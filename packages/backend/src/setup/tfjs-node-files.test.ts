import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { standIns } from "../node/tfjs-node.js";
import { setupIn } from "./setup.js";
import { fakeMachine, type FakeMachine } from "./testdata/fake-machine.js";
import { stageTfjsNode, tfjsNodeTarball } from "./tfjs-node-files.js";

let made: FakeMachine | undefined;
afterEach(() => made?.remove());

describe("the JavaScript of tfjs-node-gpu", () => {
  it("puts the JavaScript into an installation that lacks it, without another download of TensorFlow", async () => {
    made = fakeMachine();
    const first = await setupIn(made.world, { cacheDir: made.cache });
    const { directory, files } = first.installation;
    const facts = join(directory, "setup.json");
    const before = JSON.parse(readFileSync(facts, "utf8")) as { files: { path: string }[] };
    const others = before.files.filter(({ path }) => !path.startsWith("tfjs-node/"));
    writeFileSync(facts, JSON.stringify({ ...before, files: others }));
    rmSync(join(directory, "tfjs-node"), { recursive: true });
    const again = await setupIn(made.world, { cacheDir: made.cache });
    expect(again).toMatchObject({ alreadySetUp: false, installation: { directory } });
    expect(again.installation.files.map(({ path }) => path).sort()).toEqual(files.map(({ path }) => path).sort());
    expect(readdirSync(directory)).not.toContain(".unfinished-tfjs-node");
    expect([made.starts("pip download"), made.starts("npm pack")]).toEqual([1, 2]);
    expect((await setupIn(made.world, { cacheDir: made.cache })).alreadySetUp).toBe(true);
  });

  it("takes the npm package that lies beside a wheel given as a file, without npm", async () => {
    made = fakeMachine();
    copyFileSync(join(made.root, "npm", tfjsNodeTarball), join(dirname(made.wheel), tfjsNodeTarball));
    const { knownWheels } = made.world;
    await setupIn({ ...made.world, knownWheels }, { cacheDir: made.cache, wheel: made.wheel });
    expect(made.starts("npm pack")).toBe(0);
  });

  it("is what the backend needs and what stands in for the rest, and nothing outside its folder", async () => {
    made = fakeMachine();
    const [directory, work] = [join(made.root, "installation"), join(made.root, "work")];
    const { sources, files } = await stageTfjsNode({ wheel: undefined, world: made.world, directory, work });
    const paths = files.map(({ path }) => path.replace("tfjs-node/", "")).sort();
    expect(paths).toEqual(
      [
        "package.json",
        "dist/register_all_kernels.js",
        "dist/nodejs_kernel_backend.js",
        "dist/int64_tensors.js",
        "dist/kernels/Add.js",
        ...Object.keys(standIns),
      ].sort(),
    );
    expect(readdirSync(join(sources, "binding")).sort()).toEqual(["tfjs_backend.cc", "utils.h"]);
    expect(existsSync(join(made.root, "outside.js"))).toBe(false);
  });
});
