import { describe, expect, it } from "vitest";
import { Channel } from "./channel.js";

describe("a channel", () => {
  it("hands every value over in order, and the producer waits for the consumer", async () => {
    const channel = new Channel<number>();
    const events: string[] = [];
    const producing = (async () => {
      for (const value of [1, 2, 3]) {
        await channel.push(value);
        events.push(`gave ${value}`);
      }
      await channel.end();
    })();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(events).toEqual([]);
    const taken: number[] = [];
    for await (const value of channel) taken.push(value);
    await producing;
    expect(taken).toEqual([1, 2, 3]);
    expect(events).toEqual(["gave 1", "gave 2", "gave 3"]);
  });

  it("gives a waiting consumer the reason why it was closed, and lets the producer go", async () => {
    const channel = new Channel<number>();
    const consuming = (async () => {
      for await (const value of channel) expect(value).toBe(1);
    })();
    await channel.push(1);
    channel.close(new Error("the disk is full"));
    await expect(consuming).rejects.toThrow("the disk is full");
    await channel.push(2);
    await channel.end();
  });

  it("lets a producer go that waits when it is closed", async () => {
    const channel = new Channel<number>();
    const pushing = channel.push(1);
    channel.close(new Error("enough"));
    await pushing;
    await expect(channel[Symbol.asyncIterator]().next()).rejects.toThrow("enough");
  });
});
