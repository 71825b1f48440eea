// Who sits at this desk. What an agent signs in with is kept by the page only, in memory: neither storage nor a URL holds it.
// A desk whose credential is nobody's in particular asks for the agent's name. Then a tab keeps its agent in sessionStorage;
// which agentId a name has in this browser is kept in localStorage, so that after a crash the agent is the same one again,
// and has the same chats.

import { whose } from "./api.js";
import { byId } from "./shared/dom.js";
import { beginning, wellFormed } from "./shared/text.js";

/** @typedef {import("./api.js").Agent} Agent */
/** @typedef {import("./api.js").DeskError} DeskError */

/**
 * Who has signed in, and what they may do.
 * @typedef {object} SignedIn
 * @property {string} credential
 * @property {Agent} agent
 * @property {boolean} isPersonal the credential is the agent's own
 * @property {boolean} supervises the agent may join and take over chats of others
 * @property {string} role in a word; empty: there are no roles
 */

const KEY = "hollis.desk.agent";
const NAMES_KEY = "hollis.desk.agents";
const MAX_NAMES = 50; // kept; the one that was used longest ago goes first

/**
 * Resolves with the agent: at once after a reload of the demo's page, else when the form was filled in.
 * @param {string} [trouble] why the agent has to sign in once more
 * @param {string} [good] the credential that stays, when the trouble is the name
 * @returns {Promise<SignedIn>}
 */
export async function signIn(trouble = "", good = "") {
  const form = new SignInForm();
  form.fail(trouble);
  if (!isSecureContext) return form.refuse("The desk needs a secure connection. Open this page by https.");
  const given = trouble ? good : await givenCredential();
  if (given) return shared(given, (!trouble && loadAgent()) || saveAgent(await form.askName()));
  for (;;) {
    const credential = await form.askCredential();
    try {
      const me = describe(credential, await whose(credential));
      form.fail("");
      return me ?? shared(credential, saveAgent(await form.askName()));
    } catch (e) {
      form.fail(explain(/** @type {DeskError} */ (e)));
    }
  }
}

/**
 * What an agent with a credential of their own may do; null: the credential is one that desks share.
 * @param {string} credential
 * @param {import("./api.js").Me} me
 * @returns {SignedIn | null}
 */
export function describe(credential, { agentId, agentName, role }) {
  if (!agentId || !agentName) return null;
  const supervises = role === "supervisor";
  return { credential, agent: { agentId, agentName }, isPersonal: true, supervises, role: supervises ? "Supervisor" : "Agent" };
}

/** Forgets who sits in this tab. */
export function forgetAgent() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Blocked: nothing is there.
  }
}

/**
 * @param {string} credential
 * @param {Agent} agent
 * @returns {SignedIn}
 */
const shared = (credential, agent) => ({ credential, agent, isPersonal: false, supervises: true, role: "" });

/** @param {DeskError} error of the call that asked whose credential it is */
function explain({ status, message, isTemporary }) {
  if (status === 401) return "The desk does not know that token or password. Check it, and type it again.";
  if (status === 429) return "Too many wrong passwords came from your network. Wait a minute, then try again.";
  return isTemporary ? `${message} Try again.` : message;
}

/** The page's form, which asks for one thing at a time. */
class SignInForm {
  #place = byId("signin");
  #form = byId("signin-form", HTMLFormElement);
  #error = byId("signin-error");
  #submit = byId("sign-in", HTMLButtonElement);

  /** @param {string} text empty: nothing is wrong */
  fail(text) {
    this.#error.hidden = !text;
    this.#error.textContent = text;
  }

  /**
   * Nobody can sign in here.
   * @param {string} why
   * @returns {Promise<never>} which stays pending
   */
  refuse(why) {
    byId("name-field").hidden = byId("credential-field").hidden = this.#submit.hidden = true;
    this.#place.hidden = false;
    this.fail(why);
    return new Promise(() => {});
  }

  askCredential() {
    // A text that no header can carry is no credential.
    return this.#ask("credential", "Type your token, or the desk's password.", (text) => (/^[\x20-\x7e]*$/.test(text) ? text.trim() : "?"));
  }

  askName() {
    const name = byId("agent-name", HTMLInputElement);
    name.value ||= beginning(new URLSearchParams(location.search).get("name") ?? "", 70);
    return this.#ask("agent-name", "Type your name: customers will see it.", (text) => wellFormed(text).trim());
  }

  /**
   * @param {"credential" | "agent-name"} id of the field
   * @param {string} missing said when nothing was typed
   * @param {(text: string) => string} read
   * @returns {Promise<string>}
   */
  #ask(id, missing, read) {
    const field = byId(id, HTMLInputElement);
    byId("name-field").hidden = id !== "agent-name";
    byId("credential-field").hidden = id !== "credential";
    this.#submit.disabled = false;
    this.#place.hidden = false;
    field.focus();
    return new Promise((resolve) => {
      this.#form.onsubmit = (event) => {
        event.preventDefault();
        const answer = read(field.value);
        this.fail(answer ? "" : missing);
        if (!answer) {
          field.focus();
          return;
        }
        if (id === "credential") field.value = "";
        this.#submit.disabled = true; // until the answer is known
        resolve(answer);
      };
    });
  }
}

/** The page of who has signed in. */
export function hideSignIn() {
  byId("signin").hidden = true;
}

/**
 * The credential that the demo hands to its pages.
 * @returns {Promise<string>} empty: there is none
 */
async function givenCredential() {
  try {
    const response = await fetch(new URL("config.json", import.meta.url), { cache: "no-store" });
    return response.ok ? (await response.json()).credential ?? "" : "";
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
