// Prints as JSON what avaya-ccaas-chat-sdk.d.ts declares, in the form in which
// built.js tells what the built SDK has: a map from paths such as
// "MESSAGE_ARRIVED.body.elementText.text" to what is there.
//
//   node declared.mjs ‹path of the .d.ts›
//
// Of each path: kind, and of texts the words they are limited to, if they are. optional
// says that the member may be absent. Documentation that is missing is listed by itself.
import { resolve } from "node:path";
import ts from "typescript-5";

const file = resolve(process.argv[2]);
const program = ts.createProgram([file], { strict: true, target: ts.ScriptTarget.ES2017, lib: ["lib.es2017.d.ts", "lib.dom.d.ts"], types: [] });
const checker = program.getTypeChecker();
const source = program.getSourceFile(file);
const paths = {};

// Symbols are named by the checker as __@name@number.
const nameOf = (symbol) => symbol.getName().replace(/^__@(\w+)@\d+$/, "[Symbol.$1]");

const kindOf = (type) => {
  if (type.flags & ts.TypeFlags.Unknown) return "unknown";
  if (type.flags & ts.TypeFlags.BooleanLike || (type.isUnion() && type.types.every((t) => t.flags & ts.TypeFlags.BooleanLike))) return "boolean";
  if (type.flags & ts.TypeFlags.NumberLike) return "number";
  if (type.flags & ts.TypeFlags.StringLike || (type.isUnion() && type.types.every((t) => t.isStringLiteral()))) return "string";
  if (type.getSymbol()?.getName() === "Date") return "Date";
  if (checker.isArrayType(type)) return "array";
  // The classes of the surface are functions by what they extend.
  const isFunction = (t) => t.getSymbol()?.getName() === "Function" || (t.isClassOrInterface() && checker.getBaseTypes(t).some(isFunction));
  if (type.getCallSignatures().length || type.getConstructSignatures().length || isFunction(type)) return "function";
  if (type.getStringIndexType()) return "map";
  if (type.flags & ts.TypeFlags.Object || type.isIntersection()) return "object";
  throw new Error("what is " + checker.typeToString(type) + "?");
};

const add = (path, declared, optional) => {
  const type = declared.flags & ts.TypeFlags.Unknown ? declared : checker.getNonNullableType(declared);
  const kind = kindOf(type);
  paths[path] = { kind, optional };
  const literals = type.isUnion() ? type.types : [type];
  if (kind === "string" && literals.every((t) => t.isStringLiteral())) paths[path].words = literals.map((t) => t.value);
  if (kind === "array") add(path + "[]", checker.getTypeArguments(type)[0], true); // it may be empty
  if (kind === "object") members(path + ".", type, () => true);
};

const members = (prefix, type, wanted) => {
  for (const symbol of checker.getPropertiesOfType(type)) {
    if (wanted(symbol)) add(prefix + nameOf(symbol), checker.getTypeOfSymbol(symbol), !!(symbol.flags & ts.SymbolFlags.Optional));
  }
};

const globals = new Map(checker.getSymbolsInScope(source, ts.SymbolFlags.Value | ts.SymbolFlags.Namespace).map((s) => [s.getName(), s]));
const global = globals.get("AvayaCCaaSChatSDK");
const named = (name) => checker.getDeclaredTypeOfSymbol(global.exports.get(name));
const sdk = checker.getTypeOfSymbolAtLocation(global, source);

// What a type's function of that name returns.
const result = (type, name) => checker.getTypeOfSymbol(type.getProperty(name)).getCallSignatures()[0].getReturnType();

add("SDK", sdk, false);
for (const name of ["Engagement", "ACSException", "Message", "UserContext"]) add(name, named(name), false);
add("PageIterator", checker.getAwaitedType(result(named("Engagement"), "getMessages")), false);
members("", named("EventMap"), () => true);

// What the promise of getEngagementById has more than a promise.
const promise = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(globals.get("Promise"))).map(nameOf);
paths["getEngagementById()"] = { kind: "object", optional: false };
members("getEngagementById().", result(sdk, "getEngagementById"), (symbol) => !promise.includes(nameOf(symbol)));

const undocumented = [];
const look = (node) => {
  const declares = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isVariableStatement(node) || ts.isTypeElement(node);
  const isLiteral = node.parent && ts.isTypeLiteralNode(node.parent);
  if (declares && !isLiteral && !(ts.isInterfaceDeclaration(node) && node.name.text === "Window") && !ts.getJSDocCommentsAndTags(node).length) {
    undocumented.push("line " + (source.getLineAndCharacterOfPosition(node.getStart()).line + 1) + ": " + node.getText().split("\n")[0]);
  }
  ts.forEachChild(node, look);
};
look(source);

const problems = ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, "\n"));
console.log(JSON.stringify({ paths, undocumented, problems }));
