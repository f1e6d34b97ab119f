// A program of someone who installed the packages: run with plain node by the check named `packed`.
import { clipFromRgb, rgbFromClip } from "@coordtok/core";
import { setBackend } from "@tensorflow/tfjs-core";

void setBackend;
void clipFromRgb;
void rgbFromClip;
