import { join, relative } from "node:path";
import ts from "typescript";
import { root } from "./check-command.js";
import { publicPackages } from "./public-entries.js";

/** The sources that create errors and check options, which are exempt. */
const exempt: readonly string[] = ["packages/core/src/errors.ts", "packages/core/src/options.ts"];

/**
 * Checks that public functions refuse options that they do not have:
 * - every function that a package exports, and every method of its classes, passes its options to `checkOptions` or on to a
 * function that does;
 * - every call of such a function in the repository passes only options that it has. The compiler alone accepts a wider object.
 *
 * Prints violations and exits with 1 if there are any.
 */
function main(): void {
  const program = createProgram();
  const checker = program.getTypeChecker();
  const sources = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(root) && !fileName.includes("/node_modules/"))
    .filter(({ fileName }) => !fileName.endsWith(".test.ts"));
  const checked = checkedParameters(sources, checker);
  const found = [...uncheckedFunctions(program, checker, checked), ...new Calls(sources, checker).wide(checked)];
  for (const problem of new Set(found)) console.log(problem);
  process.exitCode = found.length === 0 ? 0 : 1;
}

function createProgram(): ts.Program {
  const host: ts.ParseConfigFileHost = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"));
    },
  };
  const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(join(root, "tsconfig.json"), {}, host)!;
  return ts.createProgram(fileNames, options);
}

/** The parameters that their functions pass to `checkOptions`. */
function checkedParameters(sources: readonly ts.SourceFile[], checker: ts.TypeChecker): Set<ts.ParameterDeclaration> {
  const found = new Set<ts.ParameterDeclaration>();
  for (const call of sources.flatMap(callsIn))
    if (call.expression.getText() === "checkOptions") {
      const parameter = parameterOf(call.arguments?.[0], checker);
      if (parameter !== undefined) found.add(parameter);
    }
  return found;
}

type Call = ts.CallExpression | ts.NewExpression;

function callsIn(source: ts.SourceFile): Call[] {
  const found: Call[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) found.push(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The parameter that an expression refers to, if any. */
function parameterOf(value: ts.Node | undefined, checker: ts.TypeChecker): ts.ParameterDeclaration | undefined {
  const declaration = declarationOf(value, checker);
  return declaration !== undefined && ts.isParameter(declaration) ? declaration : undefined;
}

function declarationOf(value: ts.Node | undefined, checker: ts.TypeChecker): ts.Declaration | undefined {
  return value !== undefined && ts.isIdentifier(value)
    ? checker.getSymbolAtLocation(value)?.valueDeclaration
    : undefined;
}

/** The exported functions and methods that have options but do not check them. */
function uncheckedFunctions(
  program: ts.Program,
  checker: ts.TypeChecker,
  checked: ReadonlySet<ts.ParameterDeclaration>,
): string[] {
  const handedOn = (body: ts.Node, parameter: ts.ParameterDeclaration): boolean => {
    let found = false;
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const target = parametersOfCall(node, checker);
        node.arguments?.forEach((argument, index) => {
          if (parameterOf(argument, checker) === parameter && checked.has(target[index]!)) found = true;
        });
      }
      if (!found) ts.forEachChild(node, visit);
    };
    visit(body);
    return found;
  };
  return publicFunctions(program, checker).flatMap((declared) =>
    declared.parameters
      .filter((parameter) => hasOptions(parameter, checker))
      .filter((parameter) => !checked.has(parameter) && !handedOn(declared.body!, parameter))
      .map((parameter) => `${placeOf(parameter)} does not check its options "${parameter.name.getText()}".`),
  );
}

function publicFunctions(program: ts.Program, checker: ts.TypeChecker): ts.FunctionLikeDeclaration[] {
  const entries = publicPackages().flatMap((one) => one.entries);
  const exported = entries.flatMap((path) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)!)!),
  );
  const found = exported.flatMap((symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    return (target.declarations ?? []).flatMap((declaration): ts.FunctionLikeDeclaration[] => {
      if (ts.isFunctionDeclaration(declaration)) return [declaration];
      if (!ts.isClassDeclaration(declaration)) return [];
      return declaration.members.filter(
        (member): member is ts.MethodDeclaration | ts.ConstructorDeclaration =>
          (ts.isMethodDeclaration(member) && !ts.isPrivateIdentifier(member.name)) ||
          ts.isConstructorDeclaration(member),
      );
    });
  });
  return [...new Set(found)].filter(
    (declared) => declared.body !== undefined && !exempt.includes(relative(root, declared.getSourceFile().fileName)),
  );
}

/** Whether a parameter takes options, judged by the name of its type or, if it has none, by its own name. */
function hasOptions(parameter: ts.ParameterDeclaration, checker: ts.TypeChecker): boolean {
  if (/Options\b/.test(parameter.type?.getText() ?? "")) return true;
  const type = checker.getTypeAtLocation(parameter).getNonNullableType();
  return parameter.type !== undefined && ts.isTypeLiteralNode(parameter.type) && isAllOptional(type);
}

function isAllOptional(type: ts.Type): boolean {
  const properties = type.getProperties();
  return properties.length > 0 && properties.every(({ flags }) => (flags & ts.SymbolFlags.Optional) !== 0);
}

/** The declared parameters of a called function; none when it is not in this repository. */
function parametersOfCall(call: Call, checker: ts.TypeChecker): readonly ts.ParameterDeclaration[] {
  const declaration = checker.getResolvedSignature(call)?.declaration;
  return declaration === undefined || ts.isJSDocSignature(declaration)
    ? []
    : declaration.parameters.filter(ts.isParameter);
}

/** Finds calls that pass a function more than its options. */
class Calls {
  readonly #calls: readonly Call[];
  readonly #checker: ts.TypeChecker;
  /** Parameters that are passed on whole to places for known options only; their calls are examined too. */
  readonly #waiting: ts.ParameterDeclaration[] = [];
  readonly #seen = new Set<ts.ParameterDeclaration>();
  readonly #found: string[] = [];

  constructor(sources: readonly ts.SourceFile[], checker: ts.TypeChecker) {
    this.#calls = sources.flatMap(callsIn);
    this.#checker = checker;
  }

  wide(checked: ReadonlySet<ts.ParameterDeclaration>): string[] {
    for (const parameter of checked) this.#want(parameter);
    for (let next = this.#waiting.pop(); next !== undefined; next = this.#waiting.pop()) this.#lookAtCalls(next);
    return this.#found;
  }

  #want(parameter: ts.ParameterDeclaration): void {
    if (this.#seen.has(parameter)) return;
    this.#seen.add(parameter);
    this.#waiting.push(parameter);
  }

  #lookAtCalls(parameter: ts.ParameterDeclaration): void {
    const known = namesIn(this.#checker.getTypeAtLocation(parameter), this.#checker);
    for (const call of this.#calls)
      parametersOfCall(call, this.#checker).forEach((one, index) => {
        const argument = one === parameter ? call.arguments?.[index] : undefined;
        if (argument !== undefined) this.#lookAt(argument, known, placeOf(parameter));
      });
  }

  #lookAt(value: ts.Expression, known: ReadonlySet<string>, target: string): void {
    const extra = [...namesIn(this.#checker.getTypeAtLocation(value), this.#checker)].filter(
      (name) => !known.has(name),
    );
    if (extra.length > 0) this.#report(value, `more than the options of ${target}: ${extra.join(", ")}`);
    else this.#lookInside(value, known, target);
  }

  /** Examines what the type does not tell: whether the object itself holds more than its type says. */
  #lookInside(value: ts.Expression, known: ReadonlySet<string>, target: string): void {
    if (ts.isParenthesizedExpression(value) || ts.isSatisfiesExpression(value))
      this.#lookInside(value.expression, known, target);
    if (ts.isConditionalExpression(value))
      for (const branch of [value.whenTrue, value.whenFalse]) this.#lookInside(branch, known, target);
    if (ts.isBinaryExpression(value))
      for (const side of [value.left, value.right]) this.#lookInside(side, known, target);
    if (ts.isObjectLiteralExpression(value))
      for (const property of value.properties)
        if (ts.isSpreadAssignment(property)) this.#lookAt(property.expression, known, target);
    if (ts.isPropertyAccessExpression(value) && hasOptionsType(this.#checker.getTypeAtLocation(value)))
      this.#report(value, `an object that may hold more than the options of ${target}`);
    const declaration = declarationOf(value, this.#checker);
    if (declaration === undefined) return;
    if (ts.isParameter(declaration)) this.#want(declaration);
    else if (ts.isVariableDeclaration(declaration) && declaration.initializer !== undefined)
      this.#lookInside(declaration.initializer, known, target);
    else if (ts.isBindingElement(declaration) && declaration.dotDotDotToken !== undefined) {
      const whole = declaration.parent.parent;
      if (ts.isParameter(whole)) this.#want(whole);
      else if (ts.isVariableDeclaration(whole)) this.#lookInside(whole.initializer!, known, target);
    }
  }

  #report(value: ts.Node, what: string): void {
    this.#found.push(`${placeOf(value)} gives ${what}.`);
  }
}

function hasOptionsType(type: ts.Type): boolean {
  return /Options$/.test(type.aliasSymbol?.name ?? type.getSymbol()?.name ?? "");
}

/** The names of all properties that a value of a type can have. */
function namesIn(type: ts.Type, checker: ts.TypeChecker): Set<string> {
  const types = type.isUnion() ? type.types : [type];
  return new Set(types.flatMap((one) => checker.getPropertiesOfType(one).map(({ name }) => name)));
}

/** The location of a node, for example `packages/core/src/clip.ts:12`. */
function placeOf(node: ts.Node): string {
  const source = node.getSourceFile();
  return `${relative(root, source.fileName)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

main();
