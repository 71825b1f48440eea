// What a test asks the demo's pages about their layout. It is evaluated in the page: an
// expression whose value is the object of the questions.
({
  // spills lists what makes the page wider than the window, or sticks out of it sideways.
  // What an ancestor cuts off, as ellipses do, does not count.
  spills() {
    const width = document.documentElement.clientWidth, found = [];
    const name = (e) => e.tagName.toLowerCase() + (e.id && "#" + e.id) + [...e.classList].map((c) => "." + c).join("");
    if (document.documentElement.scrollWidth > width) found.push("the page is " + document.documentElement.scrollWidth + " px wide in " + width);
    for (const e of document.body.querySelectorAll("*")) {
      if (e.closest("svg, .unseen, .sprite, .skip") || !e.checkVisibility({ visibilityProperty: true })) continue;
      let [left, right] = [e.getBoundingClientRect().left, e.getBoundingClientRect().right];
      for (let a = e.parentElement; a; a = a.parentElement) {
        if (getComputedStyle(a).overflowX === "visible") continue;
        const box = a.getBoundingClientRect();
        [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
      }
      if (right > left && (left < -1 || right > width + 1)) found.push(name(e) + " from " + left + " to " + right);
      // What scrolls sideways in itself is as bad, unless keys can scroll it: code and tables of documents.
      if (e.matches("pre[tabindex='0'], .wide[tabindex='0']")) continue;
      if (e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX)) found.push(name(e) + " scrolls sideways");
    }
    return found;
  },

  // cut lists the texts of messages, other than those given, of which something is out of
  // sight sideways.
  cut(allowed) {
    return [...document.querySelectorAll('[data-testid="message-text"]')]
      .filter((e) => e.scrollWidth > e.clientWidth + 1 && !allowed.includes(e.textContent)).map((e) => e.textContent.slice(0, 20));
  },

  // away says when the newest message is not in sight.
  away() {
    const { bottom } = [...document.querySelectorAll('[data-testid="message"]')].at(-1).getBoundingClientRect();
    const frame = document.querySelector(".scroll-frame").getBoundingClientRect();
    return bottom > frame.bottom + 1 ? ["the newest message ends at " + bottom + ", the list at " + frame.bottom] : [];
  },

  // overlaps lists the messages that begin before the one above them ends.
  overlaps() {
    const rows = [...document.querySelectorAll('[data-testid="message"]')].map((e) => e.getBoundingClientRect());
    return rows.flatMap((r, i) => i > 0 && r.top < rows[i - 1].bottom - 1 ? [i] : []);
  },

  // backwards lists the words, of those given, that are not read from left to right where
  // they stand, in elements of a selector.
  backwards(selector, words) {
    const found = [];
    for (const e of document.querySelectorAll(selector)) {
      if (!e.checkVisibility()) continue;
      const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const node = walker.currentNode, at = node.data.indexOf(words);
        if (at < 0) continue;
        const lefts = [...words].map((_, i) => {
          const range = document.createRange();
          range.setStart(node, at + i);
          range.setEnd(node, at + i + 1);
          return range.getBoundingClientRect().left;
        });
        if (lefts.some((x, i) => i > 0 && x < lefts[i - 1])) found.push(selector + ": " + words);
      }
    }
    return found;
  },

  // times lists the times of messages, and what stands beside them, in another order than
  // they are written in.
  times() {
    return [...document.querySelectorAll('[data-testid="message"]')].flatMap((m) => {
      const [time, state] = ["time", ".state"].map((s) => m.querySelector(".meta " + s));
      if (!time.checkVisibility()) return [];
      const bad = this.backwards('[data-message-id="' + m.dataset.messageId + '"] time', time.textContent);
      if (state.textContent && state.getBoundingClientRect().left < time.getBoundingClientRect().right - 1) bad.push("the state stands before " + time.textContent);
      return bad;
    });
  },

  // foreign lists what no text may have become.
  foreign() {
    return [...document.querySelectorAll('img, iframe, object, embed, base, meta[http-equiv], [onerror], [onload], [onclick], [srcdoc], a[href^="javascript:"], script:not([src])')]
      .map((e) => e.outerHTML.slice(0, 100))
      .concat([...document.querySelectorAll('[data-testid="message-text"] *')].map((e) => "in a message: " + e.tagName))
      .concat(window.pwned ? ["the script ran"] : []);
  },

  // strings says what becomes of texts that a script of the page makes code or markup of.
  strings() {
    const e = document.createElement("div");
    const tries = {
      innerHTML: () => (e.innerHTML = "<b>x</b>"),
      outerHTML: () => document.body.appendChild(e) && (e.outerHTML = "<b>x</b>"),
      insertAdjacentHTML: () => e.insertAdjacentHTML("beforeend", "<b>x</b>"),
      write: () => document.write("<b>x</b>"),
      DOMParser: () => new DOMParser().parseFromString("<b>x</b>", "text/html"),
      srcdoc: () => (document.createElement("iframe").srcdoc = "<b>x</b>"),
      script: () => (document.createElement("script").text = "window.pwned = 1"),
      src: () => (document.createElement("script").src = "/x.js"),
      Function: () => new Function("window.pwned = 1")(),
      setTimeout: () => setTimeout("window.pwned = 1"),
      policy: () => trustedTypes.createPolicy("x", {}),
    };
    const passed = Object.keys(tries).filter((name) => {
      try {
        tries[name]();
        return true;
      } catch (_) {
        return false;
      }
    });
    e.remove();
    return passed;
  },
})
