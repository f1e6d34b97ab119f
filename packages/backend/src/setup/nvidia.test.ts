import { describe, expect, it } from "vitest";
import { cudaRequirements, findNvidiaDriver } from "./nvidia.js";
import { fakeMachine } from "./testdata/fake-machine.js";

describe("the wheels with CUDA", () => {
  it("are read from the metadata of TensorFlow 2.18 with exact versions", () => {
    const metadata = `Metadata-Version: 2.1
Requires-Dist: numpy <2.1.0,>=1.26.0
Provides-Extra: and-cuda
Requires-Dist: nvidia-cublas-cu12 ==12.5.3.2 ; extra == 'and-cuda'
Requires-Dist: nvidia-cudnn-cu12 ==9.3.0.75 ; extra == 'and-cuda'

Requires-Dist: nvidia-text-cu12 ==1.0 ; extra == 'and-cuda'
`;
    expect(cudaRequirements(metadata)).toEqual(["nvidia-cublas-cu12==12.5.3.2", "nvidia-cudnn-cu12==9.3.0.75"]);
  });

  it("are read from the metadata of TensorFlow 2.21 with ranges", () => {
    const metadata = `Provides-Extra: and-cuda
Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"
Requires-Dist: nvidia-nccl-cu12<3.0,>=2.27.7; extra == "and-cuda"
Requires-Dist: nvidia-other-cu12<3.0; extra == "gcs"
`;
    expect(cudaRequirements(metadata)).toEqual(["nvidia-cublas-cu12<13.0,>=12.5.3.2", "nvidia-nccl-cu12<3.0,>=2.27.7"]);
  });
});

describe("the NVIDIA driver", () => {
  it("is known from nvidia-smi with its version and GPUs", async () => {
    const machine = fakeMachine();
    machine.program("nvidia-smi", 'echo "NVIDIA L4, 550.54.15"; echo "NVIDIA L4, 550.54.15"\n');
    expect(await findNvidiaDriver(machine.world.env)).toEqual({
      present: true,
      version: "550.54.15",
      gpus: ["NVIDIA L4", "NVIDIA L4"],
    });
    machine.remove();
  });

  it("is absent when nvidia-smi fails, and the report says what was looked for", async () => {
    const machine = fakeMachine();
    machine.program("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9\n");
    const driver = await findNvidiaDriver(machine.world.env);
    machine.remove();
    // A machine with a GPU has the kernel module's file as well.
    if (!driver.present)
      expect(driver.lookedFor).toMatch(/nvidia-smi" finds no GPU, no \/proc\/driver\/nvidia\/version$/);
    else expect(driver.gpus).toEqual([]);
  });
});
