import { describe, expect, it } from "vitest";
import { CoordTokError, isCoordTokError, messageOf } from "./errors.js";

describe("CoordTokError", () => {
  it("without options has its sentence as its message", () => {
    const error = new CoordTokError("input", "Expected a clip, got none.");
    expect([error.message, error.sentence, error.options]).toEqual([error.sentence, error.message, {}]);
    expect(isCoordTokError(error) && messageOf(error)).toBe("Expected a clip, got none.");
  });

  it.each([
    [{ overwrite: true }, "Stop it (option overwrite: true)."],
    [{ as: "raw" }, 'Stop it (option as: "raw").'],
    [{ checkpoint: undefined }, "Stop it (option checkpoint)."],
    [{ first: 3, count: 5 }, "Stop it (options first: 3, count: 5)."],
  ])("with options %j tells a program %s", (options, message) => {
    const error = new CoordTokError("input", "Stop it.", { options });
    expect(error.message).toBe(message);
    expect(error.options).toEqual(options);
    expect(error.messageWith("--stop")).toBe("Stop it (--stop).");
    expect(error.messageWith("")).toBe("Stop it.");
  });

  it("names the function that helps, with its arguments or its options", () => {
    const remedy = ["convertFile", "a.pth", "b"] as const;
    const converted = new CoordTokError("input", "Convert it.", { remedy });
    expect(converted.message).toBe('Convert it (convertFile("a.pth", "b")).');
    expect(converted.remedy).toEqual(remedy);
    const stopped = new CoordTokError("aborted", "Go on.", { remedy: ["train"], options: { resume: "run" } });
    expect(stopped.message).toBe('Go on (train with option resume: "run").');
  });

  it("puts options after a sentence that ends without a full stop", () => {
    const error = new CoordTokError("input", 'did you mean "x"?', { options: { name: undefined } });
    expect(error.message).toBe('did you mean "x"? (option name)');
  });
});
