// The chat as the customer sees it: a launcher, and a panel with two screens. It shows what
// it is told and says what the customer does; it knows nothing of the SDK.

import { Composer } from "../shared/composer.js";
import { byId, h, ofDocument, setText } from "../shared/dom.js";
import { wellFormed } from "../shared/text.js";
import { Timeline } from "../shared/timeline.js";
import { clockTime, counted, dayName } from "../shared/words.js";

const REOPEN_KEY = "hollis.panel"; // whether a reload opens the panel again

export class Widget {
  /** The messages. */
  timeline;

  #do;
  #composer;
  #unread = 0;
  #opener = null; // has the focus when the panel closes
  #sheet = matchMedia("(max-width: 32rem)"); // the panel covers the page

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
  #offers = byId("offers");
  #form = byId("start-form");
  #name = byId("name");
  #topic = byId("topic");
  #startButton = byId("start");
  #startError = byId("start-error");

  #talk = byId("chat-screen");
  #earlier = byId("load-earlier");
  #notice = byId("chat-notice");
  #idle = byId("idle-warning");
  #idleText = byId("idle-text");
  #confirm = byId("end-confirm");
  #composing = byId("composer-form");
  #over = byId("over");
  #overText = byId("over-text");
  #restart = byId("restart");

  /**
   * @param {object} actions what the customer does; every one is required
   * @param {() => void} actions.open the panel was opened
   * @param {(answers: {name: string, topic: string}) => void} actions.start
   * @param {(engagement: object) => void} actions.join
   * @param {(text: string) => void} actions.send
   * @param {(key: string, text: string) => void} actions.resend
   * @param {() => void} actions.typing
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
      input: byId("composer"),
      counter: byId("counter"),
      send: byId("send"),
      onSend: actions.send,
      onInput: actions.typing,
    });

    this.#launcher.addEventListener("click", () => (this.isOpen ? this.close() : this.open(this.#launcher)));
    byId("minimise").addEventListener("click", () => this.close());
    for (const button of ofDocument("querySelectorAll")("[data-opens-chat]")) {
      button.addEventListener("click", () => this.open(button));
    }
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      if (!this.#confirm.hidden) this.#ask(false);
      else this.close();
    });
    this.#sheet.addEventListener("change", () => this.#cover());

    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const answers = { name: wellFormed(this.#name.value).trim(), topic: wellFormed(this.#topic.value).trim() };
      if (answers.name && answers.topic) actions.start(answers);
      else this.setStartError(answers.name ? "Tell us what it is about." : "Tell us your name.");
    });
    for (const chip of ofDocument("querySelectorAll")("[data-topic]")) {
      chip.addEventListener("click", () => {
        this.#topic.value = chip.dataset.topic;
        this.#startButton.focus();
      });
    }

    this.#earlier.addEventListener("click", () => actions.loadEarlier());
    this.#end.addEventListener("click", () => this.#ask(this.#confirm.hidden));
    byId("end-yes").addEventListener("click", () => {
      this.#ask(false);
      actions.end();
    });
    byId("end-no").addEventListener("click", () => this.#ask(false));
    this.#restart.addEventListener("click", () => actions.restart());
    byId("still-here").addEventListener("click", () => {
      actions.stillHere();
      this.#composer.focus();
    });
    this.#reconnect.addEventListener("click", () => actions.reconnect());
  }

  // The panel

  get isOpen() {
    return !this.#panel.hidden;
  }

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

  /** Points at the launcher: there is something to see that is no message. */
  hint(text) {
    if (!this.isOpen) this.#showUnread(text);
  }

  /** Says it to a screen reader, once. */
  announce(text) {
    setText(this.#announcer, text);
  }

  // The first screen

  /** Shows the form, and above it the chats that are going on elsewhere. */
  showStart(name, offers = []) {
    setText(this.#title, "The workshop");
    setText(this.#subtitle, "Replies in a few minutes");
    if (!this.#name.value) this.#name.value = name ?? "";
    this.#showOffers(offers);
    this.#screen(this.#start);
    this.setStartError("");
    this.setConnection(null);
    this.setIdle(null);
    if (offers.length > 0) this.hint("You have an open chat.");
    else this.#showUnread();
  }

  /** While a chat is being begun or joined. */
  setBusy(busy) {
    this.#form.setAttribute("aria-busy", String(busy));
    for (const button of this.#start.querySelectorAll("button")) button.disabled = busy;
    setText(this.#startButton, busy ? "Connecting…" : "Start chat");
  }

  setStartError(text) {
    this.#startError.hidden = !text;
    setText(this.#startError, text);
  }

  /** Offers that stay keep their buttons, and with them the focus. */
  #showOffers(offers) {
    const ids = (list) => list.join(" ");
    const shown = [...this.#offers.children].map((offer) => offer.dataset.engagementId);
    if (ids(shown) === ids(offers.map((offer) => offer.engagementId))) return;
    const focused = this.#offers.contains(ofDocument("activeElement"));
    this.#offers.hidden = offers.length === 0;
    this.#offers.replaceChildren(...offers.map((engagement) => this.#offer(engagement)));
    if (focused) this.#focus();
  }

  #offer(engagement) {
    const button = h("button", { type: "button", class: "primary", "data-testid": "join-existing" }, "Join it here");
    button.addEventListener("click", () => this.#do.join(engagement));
    const { createdAt } = engagement;
    return h("div", { class: "offer", "data-testid": "offer", "data-engagement-id": engagement.engagementId },
      h("p", {}, h("strong", {}, "You have a chat going on."), " "
        + `It was begun in another window: ${dayName(createdAt).toLowerCase()}, ${clockTime(createdAt)}.`),
      button);
  }

  // The chat

  /** Shows an empty chat, for its messages to come in. */
  showChat() {
    this.#screen(this.#talk);
    this.timeline.clear();
    this.setOver(null);
    this.setNotice("");
    this.setOlder(false);
    this.#showUnread();
  }

  /** The header says with whom one is talking. */
  setParticipants(participants) {
    const staff = participants.filter((one) => one.participantType === "AGENT" || one.participantType === "SUPERVISOR");
    const names = staff.map((one) => one.displayName);
    const bot = participants.find((one) => one.participantType === "BOT");
    if (names.length === 0) setText(this.#title, "The workshop");
    // Each name is an island: its direction marks do not turn the next one round.
    else if (this.#title.textContent !== names.join(", ")) {
      this.#title.replaceChildren(...names.flatMap((name, at) => [at > 0 ? ", " : "", h("bdi", {}, name)]));
    }
    if (staff.length > 0) setText(this.#subtitle, staff.length > 1 ? "are here for you" : "is here for you");
    else setText(this.#subtitle, bot ? "Finding someone…" : "Someone will be here soon");
  }

  /** Whether there are older messages to load, and whether they are being loaded. */
  setOlder(available, loading = false) {
    this.#earlier.hidden = !available;
    this.#earlier.disabled = loading;
    setText(this.#earlier, loading ? "Loading…" : "Load earlier messages");
  }

  /** A line about something that went wrong in the chat; empty: none. */
  setNotice(text) {
    this.#notice.hidden = !text;
    setText(this.#notice, text);
  }

  /** The chat is over, or this session is: {text, restart: the button's label}; null: neither. */
  setOver(over) {
    const had = this.#talk.contains(ofDocument("activeElement")) || this.#end === ofDocument("activeElement");
    this.#composing.hidden = over !== null;
    this.#end.hidden = over !== null;
    this.#over.hidden = over === null;
    this.#ask(false, { focus: false });
    this.setIdle(null);
    if (!over) return;
    setText(this.#subtitle, "Closed");
    setText(this.#overText, over.text);
    setText(this.#restart, over.restart);
    this.#restart.disabled = false;
    this.announce(over.text);
    // What had the focus is hidden now.
    if (this.isOpen && had) this.#restart.focus();
  }

  /** While the restart button's work is done. */
  setRestarting(busy) {
    this.#restart.disabled = busy;
  }

  // Warnings

  /** What is wrong with the connection: {text, retry}; null: nothing. */
  setConnection(trouble) {
    const focused = this.#connection.contains(ofDocument("activeElement"));
    this.#connection.hidden = trouble === null;
    setText(this.#connectionText, trouble?.text ?? "");
    this.#reconnect.hidden = !trouble?.retry;
    if (focused && this.#reconnect.offsetParent === null) this.#focus();
  }

  /** Seconds until the session ends for want of activity; null: no such warning. */
  setIdle(secondsLeft) {
    const was = this.#idle.hidden;
    const focused = this.#idle.contains(ofDocument("activeElement"));
    this.#idle.hidden = secondsLeft === null;
    if (secondsLeft === null) {
      if (focused) this.#focus();
      return;
    }
    setText(this.#idleText, `Are you still there? The chat closes here in ${counted(secondsLeft, "second")}.`);
    if (!was) return;
    this.announce(`Are you still there? The chat closes here in ${counted(secondsLeft, "second")}, unless you press "I'm still here".`);
    this.hint("Are you still there?");
  }

  /** Puts the focus where the customer goes on. */
  #focus() {
    if (!this.isOpen) return;
    if (!this.#start.hidden) {
      const join = this.#offers.querySelector("button");
      (join ?? (this.#name.value ? this.#topic : this.#name)).focus();
    } else if (!this.#over.hidden) {
      this.#restart.focus();
    } else {
      this.#composer.focus();
    }
  }

  #screen(screen) {
    if (!screen.hidden) return;
    const inside = this.#panel.contains(ofDocument("activeElement"));
    this.#start.hidden = screen !== this.#start;
    this.#talk.hidden = screen !== this.#talk;
    this.#end.hidden = screen !== this.#talk;
    this.#confirm.hidden = true;
    if (inside || ofDocument("activeElement") === ofDocument("body")) this.#focus();
  }

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

  #remember(open) {
    try {
      sessionStorage.setItem(REOPEN_KEY, open ? "open" : "closed");
    } catch {
      // Storage is blocked: a reload shows the panel closed.
    }
  }
}
