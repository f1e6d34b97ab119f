import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { Application, Converter, LogLevel, ReflectionKind, type TypeDocOptions } from "typedoc";
import { root, temporaryFolder } from "./check-command.js";
import { publicPackages } from "./public-entries.js";

/** The guides, in the order in which they are read; the first heading of each is its title. */
const guides = [
  "flow",
  "browser",
  "training",
  "generation",
  "reproduce-the-paper",
  "performance",
  "conventions",
  "parity",
  "spec",
];

/** The file that marks a folder as ours, so that it may be replaced. */
const mark = ".coordtok-site";

/**
 * Builds the reference of all packages from their docstrings, with the guides: HTML in a folder, the same pages as Markdown in its folder
 * `markdown`, and `llms.txt`, which lists these.
 * @param out is replaced where this function made it.
 * @throws Error when it holds anything else, or TypeDoc fails.
 */
export async function buildSite(out: string): Promise<void> {
  if (existsSync(out) && !existsSync(join(out, mark)) && readdirSync(out).length > 0)
    throw new Error(`"${out}" holds something that is no site of ours; choose another folder.`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, mark), "Made by pnpm docs; replaced by the next one.\n");
  const app = await Application.bootstrapWithPlugins(options(out, copyOfGuides(temporaryFolder("site"))));
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module))
      module.name = importName(module.name) ?? module.name;
  });
  const project = await app.convert();
  if (project === undefined) throw new Error("TypeDoc could not read the packages.");
  await app.generateOutputs(project);
  writeFileSync(join(out, "llms.txt"), listOfPages(join(out, "markdown")));
}

/**
 * Copies the guides and the front page, with their pictures, so that TypeDoc finds nothing else behind a link: it copies whatever lies there,
 * folders whole. What is no guide keeps its text and loses its link.
 * @returns the folder of the copies.
 */
function copyOfGuides(folder: string): string {
  const pages = ["README.md", ...guides.map((name) => `docs/${name}.md`)];
  mkdirSync(join(folder, "docs"));
  for (const page of pages) {
    const text = readFileSync(join(root, page), "utf8").replace(
      /(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g,
      (link, isPicture: string, words: string, target: string) => {
        const [path = ""] = target.split("#");
        const file = posix.normalize(posix.join(posix.dirname(page), path));
        if (path === "" || /^[a-z]+:/i.test(target) || pages.includes(file)) return link;
        if (isPicture === "" || !existsSync(join(root, file))) return words;
        copyFileSync(join(root, file), join(folder, file));
        return link;
      },
    );
    writeFileSync(join(folder, page), text);
  }
  return folder;
}

function options(out: string, pages: string): Partial<TypeDocOptions> {
  return {
    name: "CoordTok.ts",
    entryPoints: publicPackages().flatMap(({ entries }) => [...entries]),
    tsconfig: join(root, "tsconfig.json"),
    readme: join(pages, "README.md"),
    projectDocuments: guides.map((name) => join(pages, "docs", `${name}.md`)),
    includeHierarchySummary: false,
    plugin: ["typedoc-plugin-markdown"],
    outputs: [
      { name: "html", path: out },
      { name: "markdown", path: join(out, "markdown") },
    ],
    cleanOutputDir: false,
    logLevel: LogLevel.Error,
    disableSources: true,
    excludeExternals: true,
    excludePrivate: true,
    skipErrorChecking: true,
    githubPages: false,
  };
}

/** How programs import a module that TypeDoc names by its path: `backend/src/setup` is `@coordtok/backend/setup`. */
export function importName(path: string): string | undefined {
  const [, folder, sub = ""] = /^(?:packages\/)?([\w-]+)\/src(\/[\w-]+)?(?:\/index)?$/.exec(path) ?? [];
  if (folder === undefined) return undefined;
  return `${folder === "coordtok" ? folder : `@coordtok/${folder}`}${sub === "/index" ? "" : sub}`;
}

function filesBelow(folder: string, extension: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension))
    .map((name) => name.replaceAll("\\", "/"))
    .sort();
}

/** A list of the Markdown pages for programs that read: titles with addresses, as llms.txt is written. */
function listOfPages(folder: string): string {
  const pages = filesBelow(folder, ".md").map((path) => {
    const text = readFileSync(join(folder, path), "utf8");
    const title = /^# (.+)$/m.exec(text)?.[1] ?? path;
    return `- [${title.replaceAll("\\", "")}](markdown/${path})`;
  });
  return `# CoordTok.ts\n\n> A tokenizer of video in TypeScript: clips to triplanes and back, training, generation.\n\n## Pages\n\n${pages.join("\n")}\n`;
}

/** Links of a site that lead to no file of it, or to no anchor in one, as sentences. Addresses of the web are not followed. */
export function deadLinks(site: string): string[] {
  const anchors = new Map<string, Set<string>>();
  const anchorsOf = (file: string): Set<string> => {
    let found = anchors.get(file);
    if (found === undefined) {
      const text = readFileSync(file, "utf8");
      found = new Set([...text.matchAll(/\s(?:id|name)="([^"]+)"/g)].map(([, id]) => id!));
      anchors.set(file, found);
    }
    return found;
  };
  return filesBelow(site, ".html").flatMap((page) => {
    const text = readFileSync(join(site, page), "utf8");
    const links = [...text.matchAll(/<a\s[^>]*?href="([^"]+)"/g)].map(([, link]) => link!.replaceAll("&amp;", "&"));
    return [...new Set(links)].flatMap((link) => {
      if (/^[a-z][a-z+.-]*:/i.test(link)) return [];
      const [path, anchor = ""] = link.split("#") as [string, string?];
      const target = path === "" ? join(site, page) : resolve(site, dirname(page), decodeURIComponent(path));
      if (relative(site, target).startsWith("..") || !existsSync(target))
        return [`${posix.normalize(page)} leads to "${link}", which is not there.`];
      if (anchor === "" || !target.endsWith(".html") || anchorsOf(target).has(decodeURIComponent(anchor))) return [];
      return [`${posix.normalize(page)} leads to "${link}", which has no such heading.`];
    });
  });
}

/** Builds the site in a folder that goes away again. @returns what is wrong with it, empty when nothing is. */
export async function checkSite(): Promise<string> {
  const folder = temporaryFolder("site-check");
  const out = join(folder, "site");
  await buildSite(out);
  const pages = filesBelow(join(out, "markdown"), ".md").length;
  return pages < 100 ? `The site has only ${pages} pages.` : deadLinks(out).join("\n");
}
