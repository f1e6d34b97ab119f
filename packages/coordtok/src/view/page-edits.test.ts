import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syntheticClip } from "@coordtok/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noBrowser, OpenPage } from "./testdata/open-page.js";

const small = syntheticClip({ frames: 16, height: 64, width: 64, seed: 3 });

describe(
  noBrowser === undefined ? "work at the page" : `work at the page, skipped: ${noBrowser}`,
  { timeout: 120_000 },
  () => {
    let open: OpenPage;

    beforeAll(async () => {
      if (noBrowser !== undefined) return;
      open = await OpenPage.open("#scene=pattern&frame=5&view=wipe&yt=blank&shift-xt=1&content=8&motion=4&degrees=90");
    }, 120_000);

    afterAll(async () => {
      await (open as OpenPage | undefined)?.close();
    });

    const itHere = it.skipIf(noBrowser !== undefined);
    const pressed = (group: string, name: string): Promise<string | null> =>
      open.choice(group, name).getAttribute("aria-pressed");

    itHere("a link restores what it was made of", async () => {
      expect(await open.frame()).toBe(4);
      expect(await pressed("View", "Wipe")).toBe("true");
      expect(await pressed("Plane yt", "Blank")).toBe("true");
      const values = ["Shift xt", "Content", "Motion", "Direction"].map((label) => open.slider(label).inputValue());
      expect(await Promise.all(values)).toEqual(["1", "8", "4", "90"]);
      expect(new URL(open.page.url()).hash).toContain("shift-xt=1");
    });

    itHere("the wipe shows the original on its left and the reconstruction on its right", async () => {
      const at = async (share: number): Promise<Buffer> => {
        await open.page.getByLabel("Wipe between").fill(String(share));
        return (await open.pixels("wipe")).data;
      };
      const { width } = await open.pixels("wipe");
      const [decoded, original, both] = [await at(0), await at(100), await at(50)];
      const differences = (a: Buffer, b: Buffer, from: number, to: number): number => {
        let count = 0;
        for (let i = 0; i < a.length; i++) {
          const x = (i >> 2) % width;
          if (x >= from && x < to && a[i] !== b[i]) count++;
        }
        return count;
      };
      expect(differences(both, original, 40, width / 2 - 40)).toBe(0);
      expect(differences(both, decoded, width / 2 + 40, width - 40)).toBe(0);
      expect(differences(original, decoded, 40, width - 40)).toBeGreaterThan(width);
      await open.choice("View", "Side by side").click();
    });

    itHere("what moves down leaves a slope in xt, what moves to the right one in yt", async () => {
      await open.button("Undo all").click();
      await open.choice("What the planes are drawn as", "Video slices").click();
      expect(await slopeOf("xt")).toBe(2);
      await open.slide("Direction", 0);
      await open.slide("Speed", 4);
      await open.page.waitForTimeout(400);
      await open.settled();
      expect(await slopeOf("yt")).toBe(4);
      await open.choice("What the planes are drawn as", "Colours").click();
    });

    /** By how many pixels a slice moves from one frame to the next, on average, of the 128 pixels and 32 frames of the scene. */
    async function slopeOf(plane: "yt" | "xt"): Promise<number> {
      const { data, width, height } = await open.pixels(plane);
      const at = (time: number, place: number): number => {
        const [along, across] = [(time + 0.5) / 32, (((place % 128) + 128) % 128) / 128 + 1 / 256];
        const [x, y] = plane === "yt" ? [across, along] : [along, across];
        const pixel = (Math.floor(y * height) * width + Math.floor(x * width)) * 4;
        return data[pixel]! + data[pixel + 2]! * 3;
      };
      const misfits = Array.from({ length: 8 }, (_, shift) => {
        let sum = 0;
        // Not at the time of the line that is drawn.
        for (let time = 12; time < 30; time++)
          for (let place = 0; place < 128; place++) sum += Math.abs(at(time + 1, place + shift) - at(time, place));
        return sum;
      });
      return misfits.indexOf(Math.min(...misfits));
    }

    itHere("each plane alone gives another video, and a window is measured with every choice of planes", async () => {
      await open.chooseClip(small);
      await open.slide("Content", 32);
      await open.slide("Motion", 32);
      await open.settled();
      const all = await open.figures();
      const alone: number[] = [];
      for (const plane of ["xy", "yt", "xt"]) {
        await open.choice("Planes that are decoded", plane).click();
        await open.settled();
        alone.push((await open.figures()).psnrDb);
      }
      expect(Math.max(...alone)).toBeLessThan(all.psnrDb);
      expect(new Set(alone).size).toBe(3);
      await open.choice("Planes that are decoded", "All three").click();
      await open.button("Measure this window").click();
      await open.settled();
      const { planesAlone } = await open.figures();
      expect(planesAlone!.map(({ planes }) => planes.length)).toEqual([3, 1, 1, 1, 2, 2, 2]);
      expect(Math.abs(planesAlone![0]!.psnrDb - all.psnrDb)).toBeLessThan(1e-6);
      expect(Math.abs(planesAlone![1]!.psnrDb - alone[0]!)).toBeLessThan(1e-6);
    });

    itHere("swapped, shifted, frozen, blank and painted planes give other frames, and are restored", async () => {
      const { framePsnrDb } = await open.figures();
      const seen = new Set<string>([framePsnrDb.join()]);
      for (const mode of ["Swap", "Freeze", "Blank"]) {
        await open.choice("Plane yt", mode).click();
        await open.settled();
        seen.add((await open.figures()).framePsnrDb.join());
      }
      await open.choice("Plane yt", "Keep").click();
      await open.slide("Shift xt", 1);
      await open.settled();
      seen.add((await open.figures()).framePsnrDb.join());
      await open.slide("Shift xt", 0);
      await open.choice("Brush for the planes", "Erase").click();
      await open.hover("xy", 0.2, 0.2);
      await open.page.mouse.down();
      await open.hover("xy", 0.6, 0.6);
      await open.page.mouse.up();
      await open.page.mouse.move(0, 0);
      await open.settled();
      seen.add((await open.figures()).framePsnrDb.join());
      expect(seen.size).toBe(6);
      await open.choice("Brush for the planes", "Off").click();
      await open.button("Undo all").click();
      await open.settled();
      expect((await open.figures()).framePsnrDb).toEqual(framePsnrDb);
    });

    itHere("a pixel names the cells that it reads, a cell shows the pixels that it changes", async () => {
      const note = open.page.locator(".planes-note");
      await open.hover("original", 0.3, 0.8);
      await expect
        .poll(() => note.textContent(), { timeout: 20_000 })
        .toMatch(/^Row 5\d, column 1\d reads cell 6, 2 of xy, cell \d, 2 of yt, cell \d, 6 of xt\.$/);
      await open.hover("xy", 0.31, 0.81);
      await expect.poll(() => note.textContent(), { timeout: 20_000 }).toMatch(/^Cell 6, 2 of xy; beside the video/);
      await open.page.getByText("What this cell changes").waitFor();
      const { data, width, height } = await open.pixels("error");
      const brightness = (x: number, y: number): number => {
        const at = (Math.floor(y * height) * width + Math.floor(x * width)) * 4;
        return data[at]! + data[at + 1]! + data[at + 2]!;
      };
      // Rows 48 to 55 and columns 16 to 23 of 64; the marks are on their border.
      const inside = [0.28, 0.31, 0.34].flatMap((x) => [0.78, 0.81, 0.84].map((y) => brightness(x, y)));
      expect(Math.max(...inside)).toBeGreaterThan(brightness(0.8, 0.2) + 30);
      await open.page.mouse.move(0, 0);
      await open.page.getByText("Error, 4 times").waitFor();
    });

    itHere("decodes what is on the screen first, and draws a grid around large pixels", async () => {
      for (let i = 0; i < 3; i++) await open.button("Zoom in").click();
      await open.slide("Content", 30);
      await open.settled();
      expect((await open.figures()).timing).toMatchObject({ width: 8, height: 8 });
      await open.page.mouse.move(0, 0);
      const { data, width, height } = await open.pixels("decoded");
      const row = Array.from({ length: width }, (_, x) => data[(Math.floor(height * 0.53) * width + x) * 4]!);
      const lines = row.filter(
        (value, x) => x > 0 && x < width - 1 && value !== row[x - 1] && value !== row[x + 1],
      ).length;
      expect(lines).toBeGreaterThanOrEqual(4);
      await open.page.getByTitle("Show the whole frame").click();
      await open.slide("Content", 32);
      await open.settled();
    });

    itHere("refinement raises PSNR while the film plays", async () => {
      const before = (await open.figures()).psnrDb;
      await open.button("Play").click();
      await open.page.getByLabel("Steps").selectOption("5");
      await open.button("Refine").click();
      await open.page.getByText(/^Refining, [1-9]/).waitFor();
      const seen = new Set<number>();
      while ((await open.page.getByText(/^Refining/).count()) > 0) seen.add(await open.frame());
      expect(seen.size).toBeGreaterThan(1);
      await open.button("Pause").click();
      await open.settled();
      expect((await open.figures()).psnrDb).toBeGreaterThan(before + 0.3);
    });

    itHere("encoding that is stopped ends at once, and the page goes on", async () => {
      await open.button("Butterfly").click();
      await open.page.getByText(/^Encoding/).waitFor();
      await open.button("Stop").click();
      await open.page.waitForFunction(() => document.querySelector(".busy-done") !== null);
      expect(await open.page.getByRole("alert").count()).toBe(0);
      await open.chooseClip(small);
      expect(await open.figures()).toMatchObject({ frames: 16, width: 64 });
    });

    itHere("everything is reached and done with the keyboard", async () => {
      await open.chooseClip(small);
      await open.choice("View", "Side by side").click();
      const { page } = open;
      const { keyboard } = page;
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      await keyboard.press("Space");
      await open.button("Pause").waitFor();
      await keyboard.press("Space");
      await open.button("Play").waitFor();
      const plot = page.getByRole("slider", { name: "Frame", exact: true });
      await plot.focus();
      await keyboard.press("Home");
      expect(await open.frame()).toBe(0);
      await keyboard.press("PageUp");
      await keyboard.press("ArrowRight");
      await expect.poll(() => open.frame(), { timeout: 20_000 }).toBe(11);
      await keyboard.press("End");
      await expect.poll(() => open.frame(), { timeout: 20_000 }).toBe(15);
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      await keyboard.press("ArrowLeft");
      await expect.poll(() => open.frame(), { timeout: 20_000 }).toBe(14);
      await keyboard.press("w");
      await expect.poll(() => pressed("View", "Wipe"), { timeout: 20_000 }).toBe("true");
      await keyboard.press("w");
      await expect.poll(() => pressed("View", "Wipe"), { timeout: 20_000 }).toBe("false");
      await open.canvas("yt").focus();
      await keyboard.press("ArrowDown");
      await keyboard.press("ArrowRight");
      await expect
        .poll(() => page.locator(".planes-note").textContent(), { timeout: 20_000 })
        .toMatch(/^Cell \d, \d of yt/);
      // What the page still draws may take the pointer back; the next key sets it again.
      await open.canvas("original").focus();
      await expect
        .poll(
          async () => {
            await keyboard.press("ArrowDown");
            return page.locator(".planes-note").textContent();
          },
          { timeout: 20_000, interval: 500 },
        )
        .toMatch(/^Row \d+, column 32 reads/);
      await keyboard.press("+");
      await page.getByTitle("Show the whole frame").getByText("2×").waitFor();
      await keyboard.press("-");
      const reached = await reachedByTab();
      expect(reached.missing).toEqual([]);
      expect(reached.count).toBeGreaterThan(40);
    });

    /** Walks through the page with the tab key, and names what can be used but is not reached. */
    async function reachedByTab(): Promise<{ readonly count: number; readonly missing: readonly string[] }> {
      const { page } = open;
      const expected = await page.evaluate(() => {
        (document.activeElement as HTMLElement | null)?.blur();
        const all = [...document.querySelectorAll<HTMLElement>("a, button, input, select, [tabindex]")];
        const usable = all.filter(
          (one) => one.tabIndex >= 0 && !one.matches(":disabled") && getComputedStyle(one).visibility !== "hidden",
        );
        usable.forEach((one, i) => (one.dataset["tabbed"] = String(i)));
        return usable.map((one) => one.getAttribute("aria-label") ?? one.textContent);
      });
      const seen = new Set<number>();
      for (let i = 0; i < expected.length + 3; i++) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset["tabbed"]);
        if (at !== undefined) seen.add(Number(at));
      }
      return { count: seen.size, missing: expected.filter((_, i) => !seen.has(i)) };
    }

    itHere("a checkpoint that is no tokenizer is named in a sentence", async () => {
      const file = join(open.folder, "other.safetensors");
      await writeFile(file, Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("{}")]));
      await open.choose(file);
      await expect
        .poll(() => open.page.getByRole("alert").textContent(), { timeout: 20_000 })
        .toMatch(/^Expected a file of kind tokenizer/);
      expect(open.troubles).toEqual([]);
    });
  },
);
