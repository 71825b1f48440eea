// The box in which a message is written. Enter sends, Shift+Enter makes a new line.

import { wellFormed } from "./text.js";
import { counted } from "./words.js";

/** The longest text of a message, in UTF-16 code units: what String.length counts. */
export const MAX_TEXT = 4096;

const COUNT_FROM = MAX_TEXT - 400;

export class Composer {
  #input;
  #counter;
  #send;
  #onSend;

  /**
   * @param {object} parts
   * @param {HTMLFormElement} parts.form
   * @param {HTMLTextAreaElement} parts.input
   * @param {HTMLElement} parts.counter says how much room is left, when little is
   * @param {HTMLButtonElement} parts.send
   * @param {(text: string) => void} parts.onSend the text is well formed
   * @param {() => void} [parts.onInput] the user is typing
   */
  constructor({ form, input, counter, send, onSend, onInput }) {
    this.#input = input;
    this.#counter = counter;
    this.#send = send;
    this.#onSend = onSend;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener("keydown", (event) => {
      // The Enter that ends an input method's composition belongs to the word, not to us.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener("input", () => {
      this.#measure();
      onInput?.();
    });
    this.#measure();
  }

  get draft() {
    return this.#input.value;
  }

  set draft(text) {
    this.#input.value = text;
    this.#measure();
  }

  focus() {
    this.#input.focus();
  }

  #submit() {
    const text = this.#input.value;
    if (text.trim() === "" || text.length > MAX_TEXT) return;
    this.draft = "";
    this.#onSend(wellFormed(text));
  }

  #measure() {
    const left = MAX_TEXT - this.#input.value.length;
    // No maxlength on the box: it would cut a pasted text in silence.
    this.#counter.hidden = this.#input.value.length < COUNT_FROM;
    this.#counter.classList.toggle("over", left < 0);
    this.#counter.textContent = left < 0
      ? `${counted(-left, "character")} too many`
      : `${counted(left, "character")} left`;
    this.#input.setAttribute("aria-invalid", String(left < 0));
    this.#send.disabled = left < 0 || this.#input.value.trim() === "";
    this.#input.style.height = "auto";
    this.#input.style.height = `${Math.min(this.#input.scrollHeight + 2, 140)}px`;
  }
}
