// A hidden tab or a sleeping laptop wakes late: whatever may mean that it has woken is passed
// on to the core, which then compares its deadlines with the clock.

import { notify } from "./bridge.js";
import { document, documentProperty, listenTo } from "./realm.js";

let watching = false;

const wakeIfVisible = () => {
  if (documentProperty("visibilityState") === "visible") notify("wake", "visible");
};

/** Begins to pass wake-ups on, for good. */
export const watch = () => {
  if (watching) return;
  watching = true;
  listenTo(document, "visibilitychange", wakeIfVisible);
  listenTo(document, "resume", wakeIfVisible);
  listenTo(window, "pageshow", wakeIfVisible);
  listenTo(window, "pagehide", ({ persisted }) => {
    if (persisted) notify("wake", "away");
  });
  listenTo(window, "online", () => notify("wake", "online"));
  listenTo(window, "offline", () => notify("wake", "offline"));
};
