import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { neededHeaders } from "./headers.js";
import { recordOf, tensorflowEntries, writeWheel, zipOf, type FakeEntry } from "./testdata/fake-wheel.js";
import { openWheel, parseWheelName } from "./wheel.js";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-wheel-"));
  path = join(folder, "made_up-1.0-py3-none-any.whl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function extractAll(names?: readonly string[]): Promise<Map<string, string>> {
  const wheel = await openWheel(path);
  try {
    return await wheel.extract(names ?? wheel.names, join(folder, "out"));
  } finally {
    wheel.close();
  }
}

const damaged = {
  code: "setup",
  message: expect.stringMatching(
    /^The wheel "made_up-1\.0-py3-none-any\.whl" is damaged \(.*\); fetch it again\.$/,
  ) as string,
};

describe("a wheel", () => {
  it("returns its files as they were packed, with their checksums and execute permissions", async () => {
    writeWheel(path, tensorflowEntries);
    const sums = await extractAll([
      "tensorflow/libtensorflow_framework.so.2",
      "tensorflow/include/tensorflow/c/beside.h",
    ]);
    expect(readFileSync(join(folder, "out/tensorflow/libtensorflow_framework.so.2"), "utf8")).toBe("the small library");
    expect(statSync(join(folder, "out/tensorflow/libtensorflow_framework.so.2")).mode & 0o100).toBe(0o100);
    expect(statSync(join(folder, "out/tensorflow/include/tensorflow/c/beside.h")).mode & 0o100).toBe(0);
    expect(sums.get("tensorflow/include/tensorflow/c/beside.h")).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
  });

  it("lists the headers that the first ones include, directly or indirectly, and no others", async () => {
    writeWheel(path, tensorflowEntries);
    const wheel = await openWheel(path);
    expect(await neededHeaders(wheel)).toEqual(
      ["beside.h", "c_api.h", "deep.h"].map((name) => `tensorflow/include/tensorflow/c/${name}`),
    );
    wheel.close();
  });

  it("cut short is damaged", async () => {
    writeWheel(path, tensorflowEntries);
    truncateSync(path, 5000);
    await expect(extractAll()).rejects.toMatchObject(damaged);
  });

  it("whose content does not match its list of checksums is damaged", async () => {
    const [first, ...others] = tensorflowEntries as [FakeEntry, ...FakeEntry[]];
    const changed = [{ ...first, content: "something else" }, ...others];
    writeFileSync(path, zipOf([...changed, { name: "x.dist-info/RECORD", content: recordOf(tensorflowEntries) }]));
    await expect(extractAll(["tensorflow/libtensorflow_cc.so.2"])).rejects.toMatchObject(damaged);
  });

  it("without a list of checksums, text and an empty file are damaged", async () => {
    for (const bytes of [zipOf([{ name: "a", content: "b" }]), Buffer.from("no archive at all"), Buffer.alloc(0)]) {
      writeFileSync(path, bytes);
      await expect(extractAll()).rejects.toMatchObject(damaged);
    }
  });

  it.each(["../outside", "a/../../outside", "/outside", "C:/outside", "a\\..\\..\\outside"])(
    "with an entry named %s is refused and nothing is written outside",
    async (name) => {
      const entries = [{ name, content: "evil" }];
      writeFileSync(path, zipOf([...entries, { name: "x.dist-info/RECORD", content: recordOf(entries) }]));
      await expect(extractAll()).rejects.toMatchObject(damaged);
      expect(readdirSync(folder)).toEqual(["made_up-1.0-py3-none-any.whl"]);
    },
  );

  it("with a symbolic link is refused", async () => {
    const entries = [{ name: "link", content: "/etc/passwd", mode: 0o120777 }];
    writeFileSync(path, zipOf([...entries, { name: "x.dist-info/RECORD", content: recordOf(entries) }]));
    await expect(extractAll(["link"])).rejects.toMatchObject(damaged);
  });

  it("that is missing is named", async () => {
    await expect(openWheel(path)).rejects.toMatchObject({ code: "file-not-found" });
  });
});

describe("a wheel's name", () => {
  it("tells project, version and platforms", () => {
    expect(
      parseWheelName("/x/tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
    ).toEqual({
      project: "tensorflow-cpu",
      version: "2.18.1",
      pythonTag: "cp312",
      platformTags: ["manylinux_2_17_x86_64", "manylinux2014_x86_64"],
    });
    expect(parseWheelName("nvidia_nccl_cu12-2.21.5-py3-none-manylinux2014_x86_64.whl")?.project).toBe(
      "nvidia-nccl-cu12",
    );
  });

  it("of another form is rejected", () => {
    for (const name of ["tensorflow.whl", "tensorflow-2.18.1.tar.gz", "a-b-c.whl"])
      expect(parseWheelName(name)).toBeUndefined();
  });
});
