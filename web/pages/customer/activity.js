// What counts as the customer being there. The SDK itself counts what they do in a chat:
// begin, join, leave, write. A customer who only reads is there, too.

import { ofDocument } from "../desk/shared/dom.js";

const EVENTS = ["keydown", "input", "pointerdown", "pointermove", "touchmove", "wheel", "scroll", "focus"];

/**
 * Calls active() whenever the customer does something in the visible page, or comes back
 * to it. It is called for each event: the caller throttles.
 * @param {() => void} active
 */
export function watchActivity(active) {
  const act = () => {
    if (ofDocument("visibilityState") === "visible") active();
  };
  for (const type of EVENTS) addEventListener(type, act, { capture: true, passive: true });
  ofDocument("addEventListener")("visibilitychange", act);
}
