import { flagsOf, type AnyCommand } from "./command.js";
import { flagName, type Flag } from "./flags.js";

/** The shells that a script can be made for. */
export const shells = ["bash", "zsh", "fish"] as const;

/** A shell that completes words. */
export type Shell = (typeof shells)[number];

interface CompletedFlag {
  /** As it is written, such as `--learning-rate`. */
  readonly name: string;
  readonly help: string;
  readonly takesValue: boolean;
  /** The words that its value can be; none where it is a number, a file or any text. */
  readonly choices: readonly string[];
}

/** The script that makes a shell complete commands, flags and the words that a flag takes; all else completes to files. */
export function completionScript(shell: Shell, program: string, commands: readonly AnyCommand[]): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](program, commands);
}

function flagsToComplete(command: AnyCommand): CompletedFlag[] {
  const own = Object.entries(flagsOf(command))
    .filter(([, flag]) => flag.hidden !== true)
    .map(([name, flag]) => completedFlag(name, flag));
  return [...own, { name: "--help", help: "print this help", takesValue: false, choices: [] }];
}

function completedFlag(name: string, flag: Flag<unknown>): CompletedFlag {
  return {
    name: flagName(name, flag),
    help: firstSentence(flag.help),
    takesValue: flag.value !== undefined,
    choices: flag.choices ?? [],
  };
}

/** What fits on the line of a list. */
function firstSentence(help: string): string {
  return help.split(/[;:(]/)[0]!.trim();
}

/** A text in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const globalFlags = ["--help", "--version"];

function bashScript(program: string, commands: readonly AnyCommand[]): string {
  const lines = (indent: string, rows: readonly string[]): string => rows.map((row) => `${indent}${row}\n`).join("");
  const values = commands.flatMap((command) =>
    flagsToComplete(command)
      .filter(({ choices }) => choices.length > 0)
      .map(({ name, choices }) => `"${command.name} ${name}") words=${quoted(choices.join(" "))} ;;`),
  );
  const files = commands.flatMap((command) =>
    flagsToComplete(command)
      .filter(({ takesValue, choices }) => takesValue && choices.length === 0)
      .map(({ name }) => `"${command.name} ${name}"`),
  );
  const flags = commands.map(
    (command) =>
      `${command.name}) words=${quoted(
        flagsToComplete(command)
          .map(({ name }) => name)
          .join(" "),
      )} ;;`,
  );
  return (
    `# eval "$(${program} completion bash)" in ~/.bashrc completes ${program}.\n` +
    `_${program}() {\n` +
    '  local word command="" words="" current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"\n' +
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do\n' +
    "    if [[ $word != -* ]]; then command=$word; break; fi\n" +
    "  done\n" +
    '  case "$command $before" in\n' +
    lines("    ", values) +
    `    ${files.join("|")}) return ;;\n` +
    "    *)\n" +
    "      if [[ -z $command ]]; then words=" +
    `${quoted([...commands.map(({ name }) => name), ...globalFlags].join(" "))}\n` +
    "      elif [[ $current == -* ]]; then\n" +
    '        case "$command" in\n' +
    lines("          ", flags) +
    "        esac\n" +
    "      fi ;;\n" +
    "  esac\n" +
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))\n' +
    "}\n" +
    `complete -o default -o bashdefault -F _${program} ${program}\n`
  );
}

function zshScript(program: string, commands: readonly AnyCommand[]): string {
  const bare = (text: string): string => text.replace(/[[\]:\\]/g, " ");
  const cases = commands.map((command) => {
    const rows = flagsToComplete(command).map(({ name, help, takesValue, choices }) => {
      const value = choices.length > 0 ? `:value:(${choices.join(" ")})` : ":value:_files";
      return quoted(`*${name}[${bare(help)}]${takesValue ? value : ""}`);
    });
    return `    ${command.name}) _arguments ${[...rows, quoted("*:file:_files")].join(" ")} ;;\n`;
  });
  const summaries = commands.map(({ name, summary }) => `    ${quoted(`${name}:${bare(summary)}`)}\n`);
  return (
    `#compdef ${program}\n` +
    `# eval "$(${program} completion zsh)" in ~/.zshrc, after compinit, completes ${program}.\n` +
    `_${program}() {\n` +
    "  local -a commands\n" +
    `  commands=(\n${summaries.join("")}  )\n` +
    "  if (( CURRENT == 2 )); then\n" +
    `    _describe command commands\n    compadd -- ${globalFlags.join(" ")}\n    return\n` +
    "  fi\n" +
    "  local command=$words[2]\n" +
    "  shift words\n" +
    "  (( CURRENT-- ))\n" +
    '  case "$command" in\n' +
    cases.join("") +
    "  esac\n" +
    "}\n" +
    `compdef _${program} ${program}\n`
  );
}

function fishScript(program: string, commands: readonly AnyCommand[]): string {
  const lines = [
    `# ${program} completion fish > ~/.config/fish/completions/${program}.fish completes ${program}.`,
    `complete -c ${program} -n __fish_use_subcommand -f`,
    `complete -c ${program} -n __fish_use_subcommand -l help -d 'print this help'`,
    `complete -c ${program} -n __fish_use_subcommand -l version -d 'print the version'`,
    ...commands.map(
      ({ name, summary }) =>
        `complete -c ${program} -n __fish_use_subcommand -a ${name} -d ${fishQuoted(firstSentence(summary))}`,
    ),
  ];
  for (const command of commands)
    for (const { name, help, takesValue, choices } of flagsToComplete(command)) {
      const value = choices.length > 0 ? ` -x -a ${fishQuoted(choices.join(" "))}` : takesValue ? " -r" : "";
      lines.push(
        `complete -c ${program} -n '__fish_seen_subcommand_from ${command.name}' -l ${name.slice(2)}${value} -d ${fishQuoted(help)}`,
      );
    }
  return `${lines.join("\n")}\n`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
