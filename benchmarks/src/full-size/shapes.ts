/*
 * Prints the official names and shapes of a published model as JSON, for make_checkpoint.py:
 *   tsx shapes.ts tokenizer|diffusion
 */
import { preset as sitPreset } from "@coordtok/diffusion";
import { officialShapes as sitShapes } from "@coordtok/diffusion/official";
import { preset } from "@coordtok/tokenizer";
import { officialShapes } from "@coordtok/tokenizer/official";

const shapes =
  process.argv[2] === "diffusion"
    ? sitShapes({ ...sitPreset("L/2"), learnSigma: true })
    : officialShapes({ ...preset("L"), compat: "official", padding: "official" });
console.log(JSON.stringify(Object.fromEntries(shapes)));
