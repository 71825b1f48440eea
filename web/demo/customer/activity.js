// What counts as the customer being there. The SDK itself counts what they do in a chat:
// begin, join, leave, write. Who only reads is there, too.

const EVENTS = ["keydown", "input", "pointerdown", "pointermove", "touchmove", "wheel", "scroll", "focus"];

/**
 * Calls active() whenever the customer does something in the visible page, or comes back
 * to it. It is called for each event: the caller throttles.
 */
export function watchActivity(active) {
  const act = () => {
    if (document.visibilityState === "visible") active();
  };
  for (const type of EVENTS) addEventListener(type, act, { capture: true, passive: true });
  document.addEventListener("visibilitychange", act);
}
