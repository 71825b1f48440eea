package harness

import (
	"context"
	"encoding/json"
	"fmt"
)

// mostMisses is how often a click on one thing may miss it.
const mostMisses = 20

// watchClick watches, in the page, where the next click of the user goes. What does not go to the
// element of the selector is kept from the page, which would take it for a click on something else.
// What the page takes away when it is pressed is not missed.
const watchClick = `(() => {
	const find = Document.prototype.querySelector.bind(document);
	const kinds = ["pointerdown", "mousedown", "pointerup", "mouseup", "click"];
	const watch = { missed: "" };
	let pressed = false;
	const see = (event) => {
		if (!event.isTrusted) return;
		const element = find(%s);
		if (element !== null && event.composedPath().includes(element)) {
			pressed ||= event.type === "mousedown";
			if (event.type === "click") watch.stop();
			return;
		}
		if (pressed && !element?.getClientRects().length) return watch.stop();
		watch.missed = event.target.outerHTML?.split(">")[0] + ">";
		event.preventDefault();
		event.stopImmediatePropagation();
	};
	watch.stop = () => { for (const kind of kinds) removeEventListener(kind, see, true); };
	for (const kind of kinds) addEventListener(kind, see, true);
	window[Symbol.for("openchat.click")]?.stop();
	window[Symbol.for("openchat.click")] = watch;
	return true;
})()`

// missedClick ends the watch of watchClick, and is what was clicked instead of the element, or "".
const missedClick = `(() => {
	const watch = window[Symbol.for("openchat.click")];
	delete window[Symbol.for("openchat.click")];
	watch?.stop();
	return watch?.missed ?? "";
})()`

// Click clicks as a hand does, once the thing is there to be clicked. What has moved away before the
// click came is clicked again, where it is then.
func (b *Tab) Click(selector string) {
	b.T.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		b.T.Fatal(err)
	}
	b.drive("clicking "+selector, func(ctx context.Context) error {
		for range mostMisses {
			// It fails where the page is left at the moment. Then the click is not watched.
			if _, err := b.driver.Evaluate(ctx, fmt.Sprintf(watchClick, quoted), AsDebugger); ctx.Err() != nil {
				return err
			}
			if err := b.driver.Click(ctx, selector); err != nil {
				return err
			}
			// The click may have led to another page, which knows of no watch.
			value, err := b.driver.Evaluate(ctx, missedClick, AsDebugger)
			if ctx.Err() != nil {
				return err
			}
			var missed string
			if err != nil || json.Unmarshal(value, &missed) != nil || missed == "" {
				return nil
			}
			b.T.Logf("tab %q: the click on %s came to %s", b.Name, selector, missed)
		}
		return fmt.Errorf("it was missed %d times: is something in front of it?", mostMisses)
	})
}
