import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { fakeMachine } from "../../../packages/backend/src/setup/testdata/fake-machine.js";
import type { Scenario } from "./run-faults.js";

/** The names of all scenarios, in the order in which they run. */
export const scenarioNames = [
  "convert",
  "setup",
  "train-tokenizer",
  "encode-dataset",
  "evaluate",
  "reconstruct",
  "train-diffusion",
  "sample",
] as const;
/** The name of a scenario. */
export type ScenarioName = (typeof scenarioNames)[number];

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const fromSource = [
  process.execPath,
  "--import",
  pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href,
  "--conditions=@coordtok/source",
];
const seeded = ["--seed", "3"];
const common = ["--backend", "wasm", "--quiet"];

/** Makes the inputs of scenarios, and their commands. */
export class Scenarios {
  readonly #folder: string;
  readonly #cli: readonly string[];
  #stage = 0;

  /**
   * @param folder a new folder for the inputs.
   * @param built whether the built packages run, which start faster, instead of the source.
   */
  constructor(folder: string, built: boolean) {
    this.#folder = folder;
    const main = built ? "../../../packages/coordtok/dist/cli/main.js" : "../../../packages/coordtok/src/cli/main.ts";
    this.#cli = [...(built ? [process.execPath] : fromSource), path(main)];
  }

  /** A scenario by its name; what it needs of others is made first, without faults. */
  async scenario(name: ScenarioName): Promise<Scenario> {
    const inputs = join(this.#folder, `inputs-${this.#stage++}-${name}`);
    mkdirSync(inputs, { recursive: true });
    switch (name) {
      case "convert":
        copyFileSync(path("../../../fixtures/torch/layouts.pth"), join(inputs, "layouts.pth"));
        return this.#of(
          name,
          inputs,
          ["convert", "layouts.pth", "out.safetensors", "--as", "raw", "--quiet"],
          ["out.safetensors"],
        );
      case "setup":
        return setupScenario(inputs);
      case "train-tokenizer": {
        await writeVideos(inputs, 2);
        const args = [
          "train-tokenizer",
          "videos",
          "--preset",
          "test",
          "--points",
          "16",
          "--batch",
          "1",
          "--steps",
          "4",
          "--save-every",
          "2",
          "--keep",
          "2",
          "--out",
          "run",
        ];
        return {
          ...this.#of(name, inputs, [...args, ...seeded, ...common], ["run"]),
          resume: [...this.#cli, "train-tokenizer", "--resume", "run", "--save-every", "2", "--keep", "2", ...common],
        };
      }
      case "encode-dataset":
        await this.#withTokenizer(inputs);
        return this.#of(
          name,
          inputs,
          [
            "encode-dataset",
            "videos",
            "--checkpoint",
            "tokenizer.safetensors",
            "--out",
            "latents",
            "--shard-size",
            "1",
            ...common,
          ],
          ["latents"],
        );
      case "evaluate":
        await this.#withTokenizer(inputs);
        return this.#of(
          name,
          inputs,
          [
            "evaluate",
            "videos",
            "--checkpoint",
            "tokenizer.safetensors",
            "--protocol",
            "16-frame-windows",
            "--out",
            "evaluation",
            ...common,
          ],
          ["evaluation"],
        );
      case "reconstruct":
        await this.#withTokenizer(inputs);
        return this.#of(
          name,
          inputs,
          [
            "reconstruct",
            "videos/a/0.mkv",
            "--checkpoint",
            "tokenizer.safetensors",
            "--out",
            "reconstruction",
            ...common,
          ],
          ["reconstruction"],
        );
      case "train-diffusion": {
        await this.#withLatents(inputs);
        const args = [
          "train-diffusion",
          "latents",
          "--preset",
          "test/2",
          "--batch",
          "2",
          "--steps",
          "4",
          "--save-every",
          "2",
          "--preview-every",
          "0",
          "--out",
          "generator",
        ];
        return {
          ...this.#of(name, inputs, [...args, ...seeded, ...common], ["generator"]),
          resume: [
            ...this.#cli,
            "train-diffusion",
            "--resume",
            "generator",
            "--save-every",
            "2",
            "--preview-every",
            "0",
            ...common,
          ],
        };
      }
      case "sample":
        await this.#withLatents(inputs);
        this.#make(inputs, [
          "train-diffusion",
          "latents",
          "--preset",
          "test/2",
          "--batch",
          "2",
          "--steps",
          "1",
          "--preview-every",
          "0",
          "--out",
          "generator",
          ...seeded,
          ...common,
        ]);
        return this.#of(
          name,
          inputs,
          ["sample", "generator", "--count", "2", "--steps", "2", "--out", "samples", ...seeded, ...common],
          ["samples"],
        );
    }
  }

  #of(name: string, inputs: string, args: readonly string[], results: readonly string[]): Scenario {
    return { name, inputs, command: [...this.#cli, ...args], results };
  }

  async #withTokenizer(inputs: string): Promise<void> {
    await writeVideos(inputs, 2);
    this.#make(inputs, [
      "train-tokenizer",
      "videos",
      "--preset",
      "test",
      "--points",
      "16",
      "--batch",
      "1",
      "--steps",
      "1",
      "--out",
      "trained",
      ...seeded,
      ...common,
    ]);
    copyFileSync(join(inputs, "trained/checkpoints/step-000001.safetensors"), join(inputs, "tokenizer.safetensors"));
  }

  async #withLatents(inputs: string): Promise<void> {
    await this.#withTokenizer(inputs);
    this.#make(inputs, [
      "encode-dataset",
      "videos",
      "--checkpoint",
      "tokenizer.safetensors",
      "--out",
      "latents",
      ...common,
    ]);
  }

  #make(cwd: string, args: readonly string[]): void {
    const [program, ...rest] = this.#cli;
    execFileSync(program!, [...rest, ...args], { cwd, stdio: ["ignore", "ignore", "inherit"] });
  }
}

async function writeVideos(folder: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const name = join(folder, "videos", i % 2 === 0 ? "a" : "b");
    mkdirSync(name, { recursive: true });
    const clip = syntheticClip({ frames: 16, height: 32, width: 32, seed: i });
    await writeVideo(join(name, `${i}.mkv`), framesFromClip(clip, 25), { fps: 25 });
  }
}

function setupScenario(inputs: string): Scenario {
  const machine = fakeMachine();
  try {
    cpSync(machine.root, join(inputs, "machine"), { recursive: true });
    const { machine: facts, knownWheels, tfjsNodeSum } = machine.world;
    writeFileSync(join(inputs, "machine/facts.json"), JSON.stringify({ machine: facts, knownWheels, tfjsNodeSum }));
  } finally {
    machine.remove();
  }
  return { name: "setup", inputs, command: [...fromSource, path("./fake-setup.ts")], results: ["cache"] };
}
