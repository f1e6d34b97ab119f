import { markup, Markup } from "../markup.js";
import { pagePolicy, pageStyle } from "../page.js";
import { scoreText } from "../report-text.js";
import type { RateReport } from "./rate-report.js";

/** Renders the report of coders as one HTML file that loads nothing from elsewhere and runs no script. */
export function ratePage(report: RateReport, charts: readonly string[]): string {
  const { settings, protocol, clips, created, coders, equalPsnr, bdRates, findings, leftOut } = report;
  const named = coders.filter(({ unit }) => unit === "bytes").map(({ name }) => name);
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${Markup.drawn(pagePolicy)}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rate and distortion: ${settings.reference.given.join(" ")}</title>
<style>${Markup.drawn(pageStyle)}</style>
</head>
<body>
<h1>Rate and distortion</h1>
<p class="facts">${protocol}.<br>Clips: ${clips}, seed ${settings.seed}, ${created.slice(0, 16).replace("T", " ")} UTC.</p>
<h2>Who wins where</h2>
<ul>${findings.map((finding) => markup`<li>${finding}</li>`)}</ul>
<div class="charts">${charts.map((chart) => markup`<figure>${Markup.drawn(chart)}</figure>`)}</div>
<h2>Bytes of a clip at equal PSNR</h2>
<div class="scroll"><table><thead><tr><th>PSNR (dB)</th>${named.map((name) => markup`<th>${name}</th>`)}</tr></thead><tbody>${equalPsnr.map(
    ({ psnrDb, bytes }) =>
      markup`<tr><td>${psnrDb}</td>${named.map((name) => markup`<td>${bytes[name] === undefined ? "–" : Math.round(bytes[name])}</td>`)}</tr>`,
  )}</tbody></table></div>
<h2>Mean difference in rate</h2>
<table><tbody>${bdRates.map(
    ({ coder, reference, percent, fromDb, toDb }) =>
      markup`<tr><td>${coder} to ${reference}</td><td>${percent.toFixed(1)} %</td><td>${fromDb.toFixed(1)} to ${toDb.toFixed(1)} dB</td></tr>`,
  )}</tbody></table>
<h2>All settings</h2>
<div class="scroll"><table><thead><tr><th>coder</th><th class="words">setting</th><th>size</th><th>kbit/s</th><th>PSNR (dB)</th><th>SSIM</th><th>LPIPS</th></tr></thead><tbody>${coders.flatMap(
    ({ name, unit, points }) =>
      points.map(
        ({ setting, size, kilobitsPerSecond, psnrDb, ssim, lpips }) =>
          markup`<tr><td>${name}</td><td class="words">${setting}</td><td>${Math.round(size)} ${unit}</td><td>${kilobitsPerSecond?.toFixed(1)}</td><td>${scoreText("psnrDb", psnrDb)}</td><td>${scoreText("ssim", ssim)}</td><td>${scoreText("lpips", lpips)}</td></tr>`,
      ),
  )}</tbody></table></div>
<h2>How the numbers are made</h2>
<dl>${Object.entries(settings.made).map(([name, text]) => markup`<dt>${name}</dt><dd>${text}</dd>`)}</dl>
${leftOut.length === 0 ? undefined : markup`<h2>Left out</h2><ul>${leftOut.map(({ name, reason }) => markup`<li>${name}: ${reason}</li>`)}</ul>`}
</body>
</html>
`.toString();
}
