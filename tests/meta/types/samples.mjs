// Checks samples of code with the types that pages get, as tsc --strict does. It reads from its
// standard input, as JSON, the path of the package for npm and the documents: each with its pages
// (html) and its blocks of code. It prints what the compiler says, one a line, with the document
// and the line in it.
//
//   node samples.mjs < samples.json
//
// Blocks import each other by the file names that their first lines give: those of their document,
// and where that has none of the name, of others. A block knows the elements of its document's pages by their ids, and a form's by their names: a sample
// that asks for another has null to expect. given.d.ts has what fragments take for granted.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript-5";

const here = dirname(fileURLToPath(import.meta.url));
const given = resolve(here, "given.d.ts");
const packageName = "@example/avaya-ccaas-chat-sdk";
const { package: packageFolder, documents } = JSON.parse(readFileSync(0, "utf8"));

const options = {
  strict: true, noEmit: true, allowJs: true, checkJs: true, skipLibCheck: true, types: [],
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force, jsx: ts.JsxEmit.ReactJSX, experimentalDecorators: true, // Angular's
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
};

const attributesOf = (text) => Object.fromEntries([...text.matchAll(/([\w-]+)(?:="([^"]*)")?/g)].map(([, name, value]) => [name, value ?? ""]));

// The elements of pages that have ids, and the members of each form.
const elementsOf = (pages) => {
  const elements = new Map();
  for (const page of pages) {
    let form = null;
    for (const [, end, tag, rest] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g)) {
      const { id, name } = attributesOf(rest);
      if (tag === "form") form = end ? null : id;
      if (end) continue;
      if (id && !elements.has(id)) elements.set(id, { tag, members: new Map() });
      for (const member of form ? [id, name] : []) {
        if (member && member !== form) elements.get(form).members.set(member, tag);
      }
    }
  }
  return elements;
};

const typeOf = ({ tag, members }) => {
  const named = [...members].map(([name, kind]) =>
    `readonly ${JSON.stringify(name)}: HTMLElementTagNameMap["${kind}"]; namedItem(name: ${JSON.stringify(name)}): HTMLElementTagNameMap["${kind}"];`);
  const plain = `HTMLElementTagNameMap["${tag}"]`;
  return named.length ? `${plain} & { readonly elements: HTMLFormControlsCollection & { ${named.join(" ")} } }` : plain;
};

// Declarations with which the document's methods know the elements of its pages.
const pageTypes = (pages) => {
  const all = [...elementsOf(pages)].map(([id, element]) => [JSON.stringify(id), JSON.stringify("#" + id), typeOf(element)]);
  return `interface Document { ${all.map(([id, , type]) => `getElementById(elementId: ${id}): ${type};`).join("\n")} }
interface ParentNode { ${all.map(([, selector, type]) => `querySelector(selectors: ${selector}): ${type};`).join("\n")} }`;
};

const libraries = new Map(); // what is read from the disk, by name: all documents share it

// A host that has files of its own beside those of the disk, and the package among the modules.
const hostOf = (files) => {
  const host = ts.createCompilerHost(options);
  const installed = resolve(here, "node_modules", packageName);
  const real = (name) => (name.startsWith(installed) ? packageFolder + name.slice(installed.length) : name);
  const { fileExists, readFile, directoryExists, getSourceFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(real(name));
  host.readFile = (name) => files.get(name) ?? readFile(real(name));
  host.directoryExists = (name) => [...files.keys()].some((file) => file.startsWith(name + "/")) || directoryExists(real(name));
  host.realpath = (name) => name;
  host.getSourceFile = (name, version) => {
    if (files.has(name)) return ts.createSourceFile(name, files.get(name), version, true);
    if (!libraries.has(name)) libraries.set(name, getSourceFile(real(name), version));
    return libraries.get(name);
  };
  return host;
};

const extensions = { js: "js", javascript: "js", mjs: "js", jsx: "jsx", ts: "ts", typescript: "ts", tsx: "tsx" };

const stemOf = (file) => file.replace(/\.\w+$/, "");
const named = documents.flatMap(({ blocks }) => blocks.filter(({ file }) => file));

for (const { name, pages, blocks } of documents) {
  const folder = resolve(here, "samples", name);
  const own = blocks.filter(({ file }) => file).map(({ file }) => stemOf(file));
  const others = named.filter(({ file }) => !own.includes(stemOf(file))).map(({ file, code }) => [resolve(folder, file), code]);
  const elements = resolve(folder, "elements.d.ts");
  const files = new Map([[elements, pageTypes(pages)]]);
  for (const { line, language, file, code } of blocks) {
    const path = resolve(folder, file || `line-${line}.${extensions[language]}`);
    files.set(path, "\n".repeat(line - 1) + code); // so that lines are the document's
  }
  const program = ts.createProgram([given, ...files.keys()], options, hostOf(new Map([...others, ...files])));
  for (const d of ts.getPreEmitDiagnostics(program)) {
    const line = d.file ? d.file.getLineAndCharacterOfPosition(d.start).line + 1 : 0;
    const where = files.has(d.file?.fileName) ? name : d.file?.fileName;
    if (others.some(([path]) => path === where)) continue; // is told of in its own document
    console.log(`${where}:${line}: TS${d.code}: ${ts.flattenDiagnosticMessageText(d.messageText, " ")}`);
  }
}
