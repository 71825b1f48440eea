// A page that works in a zone, as Angular's pages do: what is begun in the zone counts, and the
// page is stable when nothing of that is pending. It stands after zone.js and the SDK's script.
(() => {
  "use strict";
  const SDK = window.AvayaCCaaSChatSDK;
  const note = (kind, name, data) => window.note(JSON.stringify({ kind, name, data }));
  const scheduled = []; // macrotasks and event listeners begun in the zone
  let pending = false;
  const zone = Zone.root.fork({
    name: "app",
    onHasTask(delegate, current, target, state) {
      delegate.hasTask(target, state);
      if (current === target && state.change === "macroTask") pending = state.macroTask;
    },
    onScheduleTask(delegate, current, target, task) {
      if (task.type !== "microTask") scheduled.push(task.type + " " + task.source);
      return delegate.scheduleTask(target, task);
    },
  });
  const other = Zone.root.fork({ name: "other" });

  const hear = (type) => SDK.on(type, (payload) => {
    note("event", type, { zone: Zone.current.name, text: payload.body ? payload.body.elementText.text : "" });
  });
  zone.run(hear, null, ["MESSAGE_ARRIVED"]);
  other.run(hear, null, ["MESSAGE_DELIVERED"]);
  zone.run(hear, null, ["INITIALIZED"]);
  hear("PARTICIPANT_ADDED");

  window.app = {
    // call runs f, which returns a promise, in the zone, and resolves with its value and where
    // the page's own callback ran.
    call: (f) => new Promise((resolve, reject) => zone.run(() => f(SDK).then((value) => resolve({ value, zone: Zone.current.name }), reject))),
    tell: (f) => zone.run(f, null, [SDK]),
    hear: (type) => other.run(hear, null, [type]),
    tasks: () => ({ pending, scheduled }),
  };
})();
