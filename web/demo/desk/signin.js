// Who sits at this desk. A tab keeps its agent in sessionStorage; which agentId a name has in this browser is kept in
// localStorage, so that after a crash the agent is the same one again, and has the same chats.

import { byId } from "../shared/dom.js";
import { beginning, wellFormed } from "../shared/text.js";

/** @typedef {import("./api.js").Agent} Agent */

const KEY = "hollis.desk.agent";
const NAMES_KEY = "hollis.desk.agents";
const MAX_NAMES = 50; // kept; the one that was used longest ago goes first

/**
 * Resolves with who is there: at once after a reload, else when the form was filled in.
 * @param {string} [trouble] why the agent has to sign in once more
 * @param {string} [good] the credential that stays, when the trouble is the name
 * @returns {Promise<{ credential: string, agent: Agent }>}
 */
export async function signIn(trouble = "", good = "") {
  const known = loadAgent();
  // The demo hands out its credential; elsewhere the agent types it.
  const given = trouble ? good : await demoCredential();
  if (known && given && !trouble) return { credential: given, agent: known };

  const form = byId("signin-form", HTMLFormElement);
  const name = byId("agent-name", HTMLInputElement);
  const credential = byId("credential", HTMLInputElement);
  const error = byId("signin-error");
  byId("credential-field").hidden = given !== "";
  name.value = known?.agentName ?? beginning(new URLSearchParams(location.search).get("name") ?? "", 70);
  error.hidden = !trouble;
  error.textContent = trouble;
  byId("signin").hidden = false;
  if (name.value && !given) credential.focus();
  else name.focus();

  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const agentName = wellFormed(name.value).trim();
      const answer = given || wellFormed(credential.value);
      error.hidden = Boolean(agentName && answer);
      error.textContent = agentName ? "Type the desk's password." : "Type your name: customers will see it.";
      if (!agentName || !answer) return;
      credential.value = "";
      byId("signin").hidden = true;
      resolve({ credential: answer, agent: saveAgent(agentName) });
    };
  });
}

/** @returns {Promise<string>} empty: there is none */
async function demoCredential() {
  try {
    const response = await fetch("/demo-config.json", { cache: "no-store" });
    return response.ok ? (await response.json()).deskCredential ?? "" : "";
  } catch {
    return "";
  }
}

/** @returns {Agent | null} */
function loadAgent() {
  try {
    const agent = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    // It may have been kept by a page that did not see to it.
    return agent && { ...agent, agentName: wellFormed(agent.agentName) };
  } catch {
    return null;
  }
}

/**
 * Under another name it is another agent; under the same, in this browser, the same.
 * @param {string} agentName
 */
function saveAgent(agentName) {
  /** @type {Agent[]} */
  let names = [];
  try {
    names = JSON.parse(localStorage.getItem(NAMES_KEY) ?? "[]").filter((/** @type {Agent} */ one) => typeof one.agentId === "string" && typeof one.agentName === "string");
  } catch {
    // Blocked, or nothing there.
  }
  const agentId = names.find((one) => one.agentName === agentName)?.agentId ?? crypto.randomUUID();
  const agent = { agentId, agentName };
  try {
    names = [...names.filter((one) => one.agentName !== agentName), agent].slice(-MAX_NAMES);
    localStorage.setItem(NAMES_KEY, JSON.stringify(names));
    sessionStorage.setItem(KEY, JSON.stringify(agent));
  } catch {
    // Blocked: the agent is known until the page goes.
  }
  return agent;
}
