// Prints the places where scripts break the rules of style that a reader of them relies on, one
// a line:
//
//   - a function has at most 40 lines,
//   - a statement that is an expression calls, assigns, counts or awaits: it is no a && b(), no
//     x ? y() : z(), no comma.
//
//   node style.mjs ‹script› …
import { readFileSync } from "node:fs";
import ts from "typescript-5";

const LINES = 40;
const { SyntaxKind } = ts;

const operators = [SyntaxKind.AmpersandAmpersandToken, SyntaxKind.BarBarToken, SyntaxKind.QuestionQuestionToken, SyntaxKind.CommaToken];

const isHidden = (expression) =>
  ts.isConditionalExpression(expression) || ts.isVoidExpression(expression) ||
  (ts.isBinaryExpression(expression) && operators.includes(expression.operatorToken.kind));

for (const file of process.argv.slice(2)) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  const lineOf = (position) => source.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node) => {
    const first = lineOf(node.getStart(source, false));
    if (ts.isFunctionLike(node) && node.body) {
      const lines = lineOf(node.end) - first + 1;
      if (lines > LINES) console.log(`${file}:${first}: a function of ${lines} lines`);
    }
    if (ts.isExpressionStatement(node) && isHidden(node.expression)) {
      console.log(`${file}:${first}: a statement that is hidden in an expression: ${node.getText(source).split("\n")[0]}`);
    }
    // An arrow that returns nothing of use is a statement, too.
    if (ts.isArrowFunction(node) && ts.isParenthesizedExpression(node.body) && ts.isBinaryExpression(node.body.expression) &&
      node.body.expression.operatorToken.kind === SyntaxKind.EqualsToken) {
      console.log(`${file}:${first}: an assignment that a function returns: ${node.getText(source)}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
}
