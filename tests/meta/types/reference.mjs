// Prints as JSON what docs/reference.md tells of type declarations, in the order in which they
// stand there:
//
//   - interfaces: each with its comment, the interfaces that it extends, and its members,
//   - functions: each with its comment,
//   - unions: types that are some words, with each word's comment,
//   - texts: types that give each code its text,
//   - aliases: other types.
//
//   node reference.mjs ‹path of a .d.ts› …
import { readFileSync } from "node:fs";
import ts from "typescript-5";

const interfaces = [];
const functions = [];
const unions = [];
const texts = {};
const aliases = [];

// The last comment in a text, without its marks: what it says, and the ids after @see.
const commentIn = (text) => {
  const last = text.match(/\/\*\*[\s\S]*?\*\//g)?.at(-1) ?? "";
  const lines = last.replace(/^\/\*\*|\*\/$/g, "").split("\n").map((line) => line.replace(/^\s*\* ?/, "").trim());
  const [says, see = ""] = lines.join("\n").split("@see ");
  return { text: says.trim(), see: see.trim().split(/[,\s]+/).filter(Boolean) };
};

const commentOf = (source, node) => commentIn(source.text.slice(node.getFullStart(), node.getStart(source)));

const kindOf = (member) => {
  if (ts.isMethodSignature(member)) return "method";
  if (ts.isConstructSignatureDeclaration(member)) return "constructor";
  if (ts.isIndexSignatureDeclaration(member)) return "index";
  return "property";
};

const memberOf = (source, member) => ({
  ...commentOf(source, member),
  kind: kindOf(member),
  name: member.name?.getText(source) ?? "new",
  optional: !!member.questionToken,
  parameters: (member.parameters ?? []).map((p) => p.name.getText(source) + (p.questionToken ? "?" : "")),
  signature: member.getText(source).replace(/;$/, "").replace(/\s+/g, " "),
  type: member.type?.getText(source).replace(/\s+/g, " ") ?? "",
});

const addInterface = (source, node) => interfaces.push({
  ...commentOf(source, node),
  name: node.name.text,
  bases: (node.heritageClauses ?? []).flatMap((clause) => clause.types.map((t) => t.expression.getText(source))),
  members: node.members.map((member) => memberOf(source, member)),
});

// A word's comment stands before the bar before the word.
const wordOf = (source, word, after) => ({ ...commentIn(source.text.slice(after, word.getStart(source))), word: word.literal.text });

const addType = (source, node) => {
  const isWord = (t) => ts.isLiteralTypeNode(t) && ts.isStringLiteral(t.literal);
  if (ts.isUnionTypeNode(node.type) && node.type.types.every(isWord)) {
    const all = node.type.types;
    const words = all.map((word, i) => wordOf(source, word, i ? all[i - 1].end : node.name.end));
    unions.push({ ...commentOf(source, node), name: node.name.text, words });
  } else if (ts.isTypeLiteralNode(node.type)) {
    texts[node.name.text] = node.type.members.map((m) => ({ code: m.name.text, text: m.type.literal.text }));
  } else {
    aliases.push({ ...commentOf(source, node), name: node.name.text, type: node.type.getText(source).replace(/\s+/g, " ") });
  }
};

const addFunction = (source, node) => functions.push({
  ...commentOf(source, node),
  name: node.name.text,
  parameters: node.parameters.map((p) => p.name.text + (p.questionToken ? "?" : "")),
  signature: source.text.slice(node.name.getStart(source), node.end).replace(/;$/, "").replace(/\s+/g, " "),
});

const visit = (source, node) => {
  if (ts.isInterfaceDeclaration(node) && node.name.text !== "Window") addInterface(source, node);
  else if (ts.isTypeAliasDeclaration(node)) addType(source, node);
  else if (ts.isFunctionDeclaration(node)) addFunction(source, node);
  else ts.forEachChild(node, (child) => visit(source, child));
};

for (const file of process.argv.slice(2)) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2017, true);
  visit(source, source);
}
console.log(JSON.stringify({ interfaces, functions, unions, texts, aliases }));
