package harness

// HoldTasks is a script to run before the SDK's. The page's macrotasks then wait for as long as
// the global held is an array, and are in it; frameWith(text) resolves when a frame of the event
// stream has come that has the text.
const HoldTasks = `{
	window.held = null;
	window.MessageChannel = class {
		constructor() {
			const run = () => this.port1.onmessage();
			this.port1 = {};
			this.port2 = { postMessage: () => { held ? held.push(run) : setTimeout(run) } };
		}
	};
	const Native = WebSocket;
	window.WebSocket = class extends Native {
		constructor(...all) {
			super(...all);
			window.frameWith = (text) => new Promise((resolve) => {
				this.addEventListener("message", ({ data }) => data.includes(text) && resolve());
			});
		}
	};
}`
