// A program of someone who installed the packages: run with plain node by the check named `packed`.
import { rgbFromClip } from "@coordtok/core";

if (typeof rgbFromClip !== "function") throw new Error("@coordtok/core lacks rgbFromClip.");
