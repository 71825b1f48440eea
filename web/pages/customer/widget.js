// The chat as the customer sees it: a launcher, and a panel with two screens. It shows what
// it is given and reports what the customer does; it knows nothing of the SDK.

import { Composer } from "../desk/shared/composer.js";
import { byId, h, ofDocument, setText } from "../desk/shared/dom.js";
import { wellFormed } from "../desk/shared/text.js";
import { Timeline } from "../desk/shared/timeline.js";
import { counted } from "../desk/shared/words.js";
import { AGENTS, SHOP, wordsOf } from "./words.js";

/** @typedef {import("./words.js").State} State */
/** @typedef {import("./words.js").Values} Values */
/** @typedef {AvayaCCaaSChatSDK.Engagement} Engagement */

const REOPEN_KEY = "hollis.panel"; // whether a reload opens the panel again

/**
 * The page's elements that match.
 * @param {string} selector
 * @returns {NodeListOf<HTMLElement>}
 */
const elements = (selector) => ofDocument("querySelectorAll")(selector);

/**
 * Whether an element is not to be seen.
 * @param {Element | null} element
 */
const isHidden = (element) => element instanceof HTMLElement && element.offsetParent === null;

export class Widget {
  /** The messages. */
  timeline;

  #do;
  #composer;
  #unread = 0;
  /** @type {HTMLElement | null} */
  #opener = null; // has the focus when the panel closes
  #sheet = matchMedia("(max-width: 32rem)"); // the panel covers the page

  // What the header says, as [state of words.js, values]: the first of these that is not null.
  /** @type {[State, Values?] | null} */
  #ending = null; // the chat, or the session, is over
  /** @type {[State, Values?] | null} */
  #link = null; // the connection is not fine
  /** @type {[State, Values?]} */
  #scene = ["start"]; // the first screen, or who is in the chat
  /** @type {string[]} */
  #names = []; // the agents in the chat, or those who were last in it

  #panel = byId("chat");
  #launcher = byId("launcher");
  #badge = byId("unread");
  #title = byId("chat-title");
  #subtitle = byId("chat-subtitle");
  #end = byId("end");
  #connection = byId("connection");
  #connectionText = byId("connection-text");
  #reconnect = byId("reconnect");
  #announcer = byId("announcer");

  #start = byId("start-screen");
  #note = byId("start-note");
  #noteText = byId("start-note-text");
  #noteAct = byId("start-note-act", HTMLButtonElement);
  #startNew = byId("start-new");
  #offers = byId("offers");
  #form = byId("start-form", HTMLFormElement);
  #name = byId("name", HTMLInputElement);
  #topic = byId("topic", HTMLInputElement);
  #startButton = byId("start");
  #startError = byId("start-error");

  #talk = byId("chat-screen");
  #earlier = byId("load-earlier", HTMLButtonElement);
  #notice = byId("chat-notice");
  #idle = byId("idle-warning");
  #idleText = byId("idle-text");
  #stillHere = byId("still-here");
  #confirm = byId("end-confirm");
  #composing = byId("composer-form", HTMLFormElement);
  #over = byId("over");
  #overText = byId("over-text");
  #restart = byId("restart", HTMLButtonElement);

  /**
   * @param {object} actions what the customer does; every one is required
   * @param {() => void} actions.open the panel was opened
   * @param {(answers: {name: string, topic: string}) => void} actions.start
   * @param {(engagement: Engagement) => void} actions.join
   * @param {(text: string) => void} actions.send
   * @param {(key: string, text: string) => void} actions.resend
   * @param {() => void} actions.again the first screen could not show what there is: once more
   * @param {() => void} actions.loadEarlier
   * @param {() => void} actions.end
   * @param {() => void} actions.restart
   * @param {() => void} actions.stillHere
   * @param {() => void} actions.reconnect
   */
  constructor(actions) {
    this.#do = actions;
    this.timeline = new Timeline({
      scroller: byId("scroller"),
      log: byId("log"),
      jump: byId("jump"),
      onRetry: actions.resend,
    });
    this.#composer = new Composer({
      form: this.#composing,
      input: byId("composer", HTMLTextAreaElement),
      counter: byId("counter"),
      send: byId("send", HTMLButtonElement),
      onSend: actions.send,
    });
    this.#listenToPanel();
    this.#listenToStart(actions);
    this.#listenToChat(actions);
  }

  #listenToPanel() {
    this.#launcher.addEventListener("click", () => {
      if (this.isOpen) this.close();
      else this.open(this.#launcher);
    });
    byId("minimise").addEventListener("click", () => this.close());
    for (const button of elements("[data-opens-chat]")) button.addEventListener("click", () => this.open(button));
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      if (!this.#confirm.hidden) this.#ask(false);
      else this.close();
    });
    this.#sheet.addEventListener("change", () => this.#cover());
  }

  /** @param {ConstructorParameters<typeof Widget>[0]} actions */
  #listenToStart(actions) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const answers = { name: wellFormed(this.#name.value).trim(), topic: wellFormed(this.#topic.value).trim() };
      if (answers.name && answers.topic) actions.start(answers);
      else this.setStartError(answers.name ? "Tell us what it is about." : "Tell us your name.");
    });
    for (const chip of elements("[data-topic]")) {
      chip.addEventListener("click", () => {
        this.#topic.value = chip.dataset.topic ?? "";
        this.#startButton.focus();
      });
    }

    this.#noteAct.addEventListener("click", () => actions.again());
    this.#startNew.addEventListener("click", () => {
      this.#hideForm(false);
      this.#name.focus();
    });
  }

  /** @param {ConstructorParameters<typeof Widget>[0]} actions */
  #listenToChat(actions) {
    this.#earlier.addEventListener("click", () => actions.loadEarlier());
    this.#end.addEventListener("click", () => this.#ask(Boolean(this.#confirm.hidden)));
    byId("end-yes").addEventListener("click", () => {
      this.#ask(false);
      actions.end();
    });
    byId("end-no").addEventListener("click", () => this.#ask(false));
    this.#restart.addEventListener("click", () => actions.restart());
    this.#stillHere.addEventListener("click", () => {
      actions.stillHere();
      this.#composer.focus();
    });
    this.#reconnect.addEventListener("click", () => actions.reconnect());
  }

  // The panel

  get isOpen() {
    return !this.#panel.hidden;
  }

  /** @param {HTMLElement | null} opener has the focus when the panel closes */
  open(opener = null) {
    if (this.isOpen) return this.#focus();
    this.#opener = opener;
    this.#panel.hidden = false;
    this.#launcher.setAttribute("aria-expanded", "true");
    this.#unread = 0;
    this.#showUnread();
    this.#remember(true);
    this.#cover();
    this.timeline.toEnd();
    this.#do.open();
    this.#focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#panel.hidden = true;
    this.#launcher.setAttribute("aria-expanded", "false");
    this.#remember(false);
    this.#cover();
    (this.#opener ?? this.#launcher).focus();
  }

  /** Whether the panel was open before the page was reloaded. */
  wasOpen() {
    try {
      return sessionStorage.getItem(REOPEN_KEY) === "open";
    } catch {
      return false;
    }
  }

  /** A message came while the panel was closed. */
  countUnread() {
    if (this.isOpen) return;
    this.#unread++;
    this.#showUnread();
  }

  /**
   * Points at the launcher: there is something to see that is no message.
   * @param {string} text
   */
  hint(text) {
    if (!this.isOpen) this.#showUnread(text);
  }

  /**
   * Makes screen readers read a text, once.
   * @param {string} text
   */
  announce(text) {
    setText(this.#announcer, text);
  }

  // The first screen

  /**
   * Shows the first screen in a state of words.js: "start" the form, "elsewhere" the chats
   * that can be joined, and each other state its sentence and its button.
   * @param {State} state
   * @param {{ name?: string, offers?: Engagement[] }} [content] the customer's name; the chats
   */
  showStart(state, { name, offers = [] } = {}) {
    const { status, text, button, other } = wordsOf(state, { began: offers[0]?.createdAt });
    const focused = ofDocument("activeElement");
    const follows = this.#start.contains(focused) || (this.#scene[0] === "looking" && this.#panel.contains(focused));
    this.#ending = null;
    this.#scene = [state];
    if (!this.#name.value) this.#name.value = name ?? "";
    const offering = offers.length > 0;
    this.#note.hidden = state === "start" || offering;
    setText(this.#noteText, offering ? "" : text);
    this.#noteAct.hidden = !button;
    setText(this.#noteAct, button);
    setText(this.#startNew, other);
    this.#showOffers(offers);
    this.#hideForm(state !== "start");
    setText(this.#startButton, wordsOf("start").button);
    this.setStartError("");
    this.#screen(this.#start);
    this.setIdle(null);
    this.#head();
    if (offering) this.hint(status);
    else this.#showUnread();
    if (!this.#note.hidden) this.announce(text);
    if (follows && (isHidden(focused) || !this.#start.contains(focused))) this.#focus();
  }

  /**
   * While a chat is being begun or joined.
   * @param {boolean} busy
   */
  setBusy(busy) {
    this.#form.setAttribute("aria-busy", String(busy));
    for (const button of this.#start.querySelectorAll("button")) button.disabled = busy;
    if (busy) this.#scene = ["starting"];
    else if (this.#scene[0] === "starting") this.#scene = ["start"];
    setText(this.#startButton, wordsOf(busy ? "starting" : "start").button);
    this.#head();
  }

  /**
   * What the first screen was to do has failed.
   * @param {State} state
   */
  setStartFailure(state) {
    const { text, button, keepsForm } = wordsOf(state);
    if (this.#form.hidden || !keepsForm) {
      this.showStart(state);
      return;
    }
    this.#scene = [state];
    this.setStartError(text);
    setText(this.#startButton, button);
    this.#head();
  }

  /** @param {string} text empty: none */
  setStartError(text) {
    this.#startError.hidden = !text;
    setText(this.#startError, text);
  }

  /**
   * Shows or hides the form; while it is hidden, a chat can be begun by the second button.
   * @param {boolean} hidden
   */
  #hideForm(hidden) {
    this.#form.hidden = hidden;
    this.#startNew.hidden = !hidden || this.#startNew.textContent === "";
  }

  /**
   * Offers that stay keep their buttons, and with them the focus.
   * @param {Engagement[]} offers
   */
  #showOffers(offers) {
    const shown = [...this.#offers.children].map((offer) => offer.getAttribute("data-engagement-id"));
    if (shown.join(" ") === offers.map((offer) => offer.engagementId).join(" ")) return;
    const focused = this.#offers.contains(ofDocument("activeElement"));
    this.#offers.hidden = offers.length === 0;
    this.#offers.replaceChildren(...offers.map((engagement) => this.#offer(engagement)));
    if (focused) this.#focus();
  }

  /** @param {Engagement} engagement */
  #offer(engagement) {
    const { text, button } = wordsOf("elsewhere", { began: engagement.createdAt });
    const join = h("button", { type: "button", class: "primary", "data-testid": "join-existing" }, button);
    join.addEventListener("click", () => this.#do.join(engagement));
    return h("div", { class: "note", "data-testid": "offer", "data-engagement-id": engagement.engagementId }, h("p", {}, text), join);
  }

  // The chat

  /** Shows an empty chat, for its messages to come in. */
  showChat() {
    this.#names = [];
    this.#scene = ["waiting"];
    this.#screen(this.#talk);
    this.timeline.clear();
    this.setOver(null);
    this.setNotice("");
    this.setOlder(false);
    this.#showUnread();
  }

  /**
   * The header says with whom one is talking.
   * @param {AvayaCCaaSChatSDK.Participant[]} participants
   */
  setParticipants(participants) {
    const names = participants
      .filter((one) => one.participantType === "AGENT" || one.participantType === "SUPERVISOR")
      .map((one) => one.displayName);
    if (names.length > 0) this.#scene = ["helped", { count: names.length }];
    else if (this.#names.length > 0) this.#scene = ["agentLeft"];
    else this.#scene = [participants.some((one) => one.participantType === "BOT") ? "assisted" : "waiting"];
    if (names.length > 0) this.#names = names;
    this.#head();
  }

  /** Shows the header's two lines. */
  #head() {
    const { title, status } = wordsOf(...(this.#ending ?? this.#link ?? this.#scene));
    setText(this.#subtitle, status);
    const names = title === AGENTS && !this.#talk.hidden ? this.#names : [];
    if (names.length === 0) setText(this.#title, typeof title === "string" ? title : SHOP);
    // Each name is an island: its direction marks do not turn the next one round.
    else if (this.#title.textContent !== names.join(", ")) {
      this.#title.replaceChildren(...names.flatMap((name, at) => [at > 0 ? ", " : "", h("bdi", {}, name)]));
    }
  }

  /**
   * Whether there are older messages to load, and whether they are being loaded.
   * @param {boolean} available
   */
  setOlder(available, loading = false) {
    this.#earlier.hidden = !available;
    this.#earlier.disabled = loading;
    setText(this.#earlier, loading ? "Loading…" : "Load earlier messages");
  }

  /**
   * A line about something that went wrong in the chat; empty: none.
   * @param {string} text
   */
  setNotice(text) {
    this.#notice.hidden = !text;
    setText(this.#notice, text);
  }

  /**
   * The chat is over, or this session is; null: neither.
   * @param {State | null} state
   */
  setOver(state) {
    const had = this.#talk.contains(ofDocument("activeElement")) || this.#end === ofDocument("activeElement");
    this.#ending = state && [state];
    this.#composing.hidden = state !== null;
    this.#end.hidden = state !== null;
    this.#over.hidden = state === null;
    this.#ask(false, { focus: false });
    this.setIdle(null);
    this.#head();
    if (!state) return;
    const { text, button } = wordsOf(state);
    setText(this.#overText, text);
    setText(this.#restart, button);
    this.#restart.disabled = state === "continuing";
    this.announce(text);
    // What had the focus is hidden now.
    if (this.isOpen && had) this.#restart.focus();
  }

  // Warnings

  /**
   * The connection is not fine; null: it is.
   * @param {State | null} state
   * @param {Values} [values]
   */
  setConnection(state, values) {
    const { text, button } = state ? wordsOf(state, values) : { text: "", button: "" };
    const focused = this.#connection.contains(ofDocument("activeElement"));
    this.#link = state && [state, values];
    this.#connection.hidden = !text;
    setText(this.#connectionText, text);
    this.#reconnect.hidden = !button;
    setText(this.#reconnect, button);
    this.#head();
    if (focused && isHidden(this.#reconnect)) this.#focus();
  }

  /**
   * Seconds until the session ends for want of activity; null: no such warning.
   * @param {number | null} seconds
   */
  setIdle(seconds) {
    const was = this.#idle.hidden;
    const focused = this.#idle.contains(ofDocument("activeElement"));
    this.#idle.hidden = seconds === null;
    if (seconds === null) {
      if (focused) this.#focus();
      return;
    }
    const { status, text, button } = wordsOf("idle", { seconds });
    setText(this.#idleText, text);
    setText(this.#stillHere, button);
    if (!was) return;
    this.announce(text);
    this.hint(status);
  }

  /** Puts the focus where the customer goes on. */
  #focus() {
    if (!this.isOpen) return;
    if (!this.#start.hidden) {
      const first = [this.#offers.querySelector("button"), this.#noteAct, this.#name.value ? this.#topic : this.#name]
        .find((one) => one && !isHidden(one));
      (first ?? byId("minimise")).focus();
    } else if (!this.#over.hidden) {
      this.#restart.focus();
    } else {
      this.#composer.focus();
    }
  }

  /** @param {HTMLElement} screen */
  #screen(screen) {
    if (!screen.hidden) return;
    const inside = this.#panel.contains(ofDocument("activeElement"));
    this.#start.hidden = screen !== this.#start;
    this.#talk.hidden = screen !== this.#talk;
    this.#end.hidden = screen !== this.#talk;
    this.#confirm.hidden = true;
    if (inside || ofDocument("activeElement") === ofDocument("body")) this.#focus();
  }

  /** @param {boolean} asking */
  #ask(asking, { focus = true } = {}) {
    this.#confirm.hidden = !asking;
    this.#end.setAttribute("aria-expanded", String(asking));
    if (asking) byId("end-no").focus();
    else if (focus && !this.#end.hidden) this.#end.focus();
  }

  #showUnread(hint = "") {
    const text = this.#unread > 0 ? counted(this.#unread, "new message") : hint;
    this.#badge.hidden = text === "";
    setText(this.#badge, this.#unread > 0 ? String(Math.min(this.#unread, 99)) : "!");
    this.#launcher.setAttribute("aria-label", text ? `Chat: ${text}` : "Chat");
  }

  /** On a small screen the panel is all there is: the page behind it is out of reach. */
  #cover() {
    const covers = this.isOpen && this.#sheet.matches;
    byId("page").inert = covers;
    this.#launcher.hidden = covers;
    ofDocument("documentElement").classList.toggle("covered", covers);
  }

  /** @param {boolean} open */
  #remember(open) {
    try {
      sessionStorage.setItem(REOPEN_KEY, open ? "open" : "closed");
    } catch {
      // Storage is blocked: a reload shows the panel closed.
    }
  }
}
