import { countText } from "@coordtok/core/text";
import { frameCurveChart, histogram, scatter, twoHistograms } from "./charts.js";
import { markup, Markup } from "./markup.js";
import { fvdText, measureLabels, scoreText, setsText, summaryRows, type SummaryRow } from "./report-text.js";
import type { EvaluationReport, ShortRecord } from "./report.js";
import type { ClipRecord, SetRecord } from "./record.js";

/** Pictures of some clips under a title. */
export interface Strips {
  readonly title: string;
  readonly rows: readonly { readonly record: ClipRecord | SetRecord; readonly png: Uint8Array | undefined }[];
}

/** What a browser may do with the page: show it. No script, nothing from elsewhere, no form, no frame. */
export const pagePolicy: string =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-src 'none'";

/** Renders the report as one HTML file that loads nothing from elsewhere and runs no script. */
export function reportPage(report: EvaluationReport, strips: readonly Strips[]): string {
  const { settings } = report;
  const title = {
    reconstruction: "Reconstruction",
    generation: "Generation",
    statistics: "Feature statistics",
    "rate-distortion": "Rate and distortion",
  }[settings.task];
  const made = report.created.slice(0, 16).replace("T", " ");
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${Markup.drawn(pagePolicy)}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: ${settings.reference.given.join(" ")}</title>
<style>${Markup.drawn(pageStyle)}</style>
</head>
<body>
<h1>${title} report</h1>
<p class="facts">${report.protocol}.<br>${countsText(report)}, seed ${settings.seed}, ${made} UTC.</p>
${list(report.warnings, "warnings")}
${measuresSection(report)}
${sanitySection(report)}
${chartsSection(report)}
${strips.map(stripsSection)}
${madeSection(report)}
${clipsSection(report)}
${leftOutSection(report)}
</body>
</html>
`.toString();
}

/** The style sheet of reports. */
export const pageStyle: string = `body{font:15px/1.45 system-ui,sans-serif;color:#222;background:#fff;max-width:940px;margin:2em auto;padding:0 1em}
h1{font-size:1.6em;margin-bottom:.2em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ddd}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.2em .8em .2em 0;text-align:right;vertical-align:top}
th{white-space:nowrap}th:first-child,td:first-child,.words{text-align:left}thead th{border-bottom:1px solid #999}tr.own td{font-weight:600}
.facts,figcaption,.note{color:#555}.warnings{background:#fff4d6;padding:.6em 1em .6em 2em}.charts{display:flex;flex-wrap:wrap;gap:12px}
figure{margin:0 0 1em}figure img{max-width:100%;display:block}.charts figure{width:430px}.scroll{overflow-x:auto;max-height:24em;overflow-y:auto}
dt{font-weight:600;margin-top:.4em}dd{margin:0 0 0 1.5em;overflow-wrap:anywhere}svg{max-width:100%;height:auto}`;

function list(sentences: readonly string[], name: string): Markup | undefined {
  if (sentences.length === 0) return undefined;
  return markup`<ul class="${name}">${sentences.map((sentence) => markup`<li>${sentence}</li>`)}</ul>`;
}

function countsText(report: EvaluationReport): string {
  const { counts, settings, clips } = report;
  if (settings.task === "generation") return `Clips: ${setsText(report)}`;
  const first = clips.reference[0];
  const size = first && "width" in first ? `, frames of ${first.width}x${first.height}` : "";
  return `${countText(counts.reference, "clip")}${size}`;
}

const summaryColumns = ["mean", "± error", "deviation", "lowest", "10 %", "median", "90 %", "highest"] as const;

function measuresSection(report: EvaluationReport): Markup {
  const rows = summaryRows(report);
  const fvd = fvdText(report);
  const line = ({ label, values }: SummaryRow): Markup =>
    markup`<tr><td>${label}</td>${values.map((value) => markup`<td>${value}</td>`)}</tr>`;
  const table =
    rows.length === 0
      ? undefined
      : markup`<table><thead><tr><th></th>${summaryColumns.map((name) => markup`<th>${name}</th>`)}</tr></thead><tbody>${rows.map(line)}</tbody></table>
<p class="note">Over clips. The error is the standard error of the mean over the choice of clips: deviation / √clips.</p>`;
  const distance = fvd && markup`<p><strong>${fvd.headline}</strong><br><span class="note">${fvd.parts}</span></p>`;
  return markup`<h2>Measures</h2>${distance}${table}`;
}

function sanitySection({ sanity, settings }: EvaluationReport): Markup | undefined {
  if (!sanity || sanity.length === 0) return undefined;
  const names = Object.keys(sanity[0]!.scores) as (keyof typeof measureLabels)[];
  const rows = sanity.map(
    ({ name, clips, scores, takes }, index) =>
      markup`<tr class="${index === 0 ? "own" : "other"}"><td>${name}</td>${names.map(
        (score) => markup`<td>${scoreText(score, (scores as Record<string, number>)[score])}</td>`,
      )}<td>${clips}</td><td class="words">${takes}</td></tr>`,
  );
  return markup`<h2>Simple baselines in the same space</h2>
<p class="note">The same clips, downsampled along all three axes and interpolated back, and compressed as H.264 in at most as many bytes. Space: ${settings.sanity?.text}.</p>
<table><thead><tr><th></th>${names.map((name) => markup`<th>${measureLabels[name]}</th>`)}<th>clips</th><th class="words">takes</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function chartsSection(report: EvaluationReport): Markup | undefined {
  const figures = report.settings.task === "reconstruction" ? reconstructionFigures(report) : setFigures(report);
  if (figures.length === 0) return undefined;
  const drawn = figures.map(
    ({ svg, caption }) => markup`<figure>${Markup.drawn(svg)}<figcaption>${caption}</figcaption></figure>`,
  );
  return markup`<h2>Distributions and curves</h2><div class="charts">${drawn}</div>`;
}

interface Figure {
  readonly svg: string;
  readonly caption: string;
}

function reconstructionFigures({ clips, measures, curves, correlation }: EvaluationReport): Figure[] {
  const records = clips.reference as readonly ClipRecord[];
  const frames = records.reduce((longest, record) => Math.max(longest, record.frames), 1);
  const scores = (["psnrDb", "ssim", "msSsim", "lpips"] as const).filter((name) => measures[name] !== undefined);
  const several = records.length > 1;
  const figures: Figure[] = (several ? scores : []).map((name) => ({
    svg: histogram(
      records.map((record) => record[name]!),
      measureLabels[name],
    ),
    caption: `${measureLabels[name]} of the clips; the line is the mean.`,
  }));
  for (const quantity of several ? (["motion", "detail"] as const) : []) {
    const found = correlation?.[quantity];
    const note = found
      ? ` Pearson ${found.pearson.toFixed(2)}, Spearman ${found.spearman.toFixed(2)} over ${found.count} clips.`
      : "";
    figures.push({
      svg: scatter(
        records.map((record) => [record[quantity], record.psnrDb!]),
        quantity,
        measureLabels.psnrDb,
      ),
      caption: `PSNR against ${quantity}.${note}`,
    });
  }
  if (frames > 1)
    for (const name of scores)
      figures.push({
        svg: frameCurveChart(curves[name]!, frames, measureLabels[name]),
        caption: `${measureLabels[name]} over the frames: mean of the clips, and the middle 80 % of them.`,
      });
  return figures;
}

function setFigures({ clips }: EvaluationReport): Figure[] {
  const [first, other] = [clips.reference, clips.other ?? []];
  if (first.length + other.length === 0) return [];
  return (["motion", "detail"] as const).map((name) => ({
    svg: twoHistograms(
      first.map((record) => record[name]),
      other.map((record) => record[name]),
      name,
    ),
    caption: `${name} of the clips: real in blue, generated in orange.`,
  }));
}

function stripsSection({ title, rows }: Strips): Markup | undefined {
  const figures = rows.map(({ record, png }) => {
    const picture =
      png === undefined
        ? markup`<p class="note">No picture was kept.</p>`
        : markup`<img alt="frames of ${record.name}" src="data:image/png;base64,${Buffer.from(png).toString("base64")}">`;
    return markup`<figure>${picture}<figcaption>${clipText(record)}</figcaption></figure>`;
  });
  const isPair = rows.some(({ record }) => "psnrDb" in record);
  const note = isPair
    ? markup`<p class="note">Top: original. Middle: reconstruction. Bottom: error times 4.</p>`
    : undefined;
  return rows.length === 0 ? undefined : markup`<h2>${title}</h2>${note}${figures}`;
}

function clipText(record: ShortRecord): string {
  const { name, start, frames, motion, detail } = record;
  const scores = (["psnrDb", "ssim", "msSsim", "lpips"] as const).flatMap((score) => {
    const value = (record as Partial<ClipRecord>)[score];
    return value === undefined ? [] : [`${measureLabels[score]} ${scoreText(score, value)}`];
  });
  const content = [`motion ${motion.toFixed(4)}`, `detail ${detail.toFixed(4)}`];
  return `${name}, frames ${start} to ${start + frames - 1}: ${[...scores, ...content].join(", ")}`;
}

function madeSection({ made, settings }: EvaluationReport): Markup {
  const { environment, checkpoint, lpips, i3d } = settings;
  const files = [...(checkpoint ? [checkpoint] : []), ...(lpips?.files ?? []), ...(i3d?.files ?? [])];
  const side = ({ given, videos }: typeof settings.reference): string =>
    `${given.join(" ")}${videos === 0 ? "" : ` (${countText(videos, "video")})`}`;
  const rows: [string, string][] = [
    ...Object.entries(made).map(([name, how]): [string, string] => [nameOf(name), how]),
    ["originals", side(settings.reference)],
    ...(settings.other ? ([["compared with", side(settings.other)]] as [string, string][]) : []),
    ...files.map(({ file, sha256 }): [string, string] => [file, `SHA-256 ${sha256}`]),
    ["computed on", [environment.backend, environment.device, settings.precision ?? "fp32"].join(", ")],
    [
      "versions",
      [
        `coordtok ${environment.coordtok}`,
        `Node ${environment.node}`,
        ...Object.entries(environment.versions).map(([name, version]) => `${name} ${version}`),
      ].join(", "),
    ],
  ];
  return markup`<h2>How it was made</h2><dl>${rows.map(([name, how]) => markup`<dt>${name}</dt><dd>${how}</dd>`)}</dl>`;
}

function nameOf(name: string): string {
  return Object.hasOwn(measureLabels, name) ? measureLabels[name as keyof typeof measureLabels] : name;
}

/** Longer lists are only in `report.json`. */
const listedClips = 500;

function clipsSection({ clips }: EvaluationReport): Markup | undefined {
  const all = [...clips.reference, ...(clips.other ?? [])];
  if (all.length === 0) return undefined;
  const shown = all.slice(0, listedClips).map((record) => markup`<li>${clipText(record)}</li>`);
  const more = all.length - shown.length;
  const rest = more > 0 ? markup`<p class="note">${more} more in report.json.</p>` : undefined;
  return markup`<h2>Clips</h2><div class="scroll"><ol start="0">${shown}</ol></div>${rest}`;
}

function leftOutSection({ leftOut }: EvaluationReport): Markup | undefined {
  if (leftOut.length === 0) return undefined;
  return markup`<h2>Left out</h2>${list(
    leftOut.map(({ name, reason }) => `${name}: ${reason}`),
    "scroll",
  )}`;
}
