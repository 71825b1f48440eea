// A page whose other scripts change the language. It takes what it reports with before they
// run, and uses the public surface only. It stands before them and before the SDK's script.
(() => {
  "use strict";
  const { stringify, parse } = JSON, { apply } = Reflect, { keys } = Object, { note } = window;
  const plain = (entry) => note(apply(stringify, null, [entry]));
  const realm = window.realm = { seen: [] };

  // live runs a chat and returns what the page saw of it, as text: JSON may be the page's own.
  realm.listen = (SDK) => {
    for (const type of apply(keys, null, [SDK.EventType])) {
      SDK.on(type, (payload) => {
        plain({ kind: "event", name: type, data: type.slice(0, 7) === "MESSAGE" ? { text: payload.body.elementText.text } : null });
      });
    }
  };
  realm.begin = async (params, config) => {
    const SDK = window.AvayaCCaaSChatSDK;
    realm.listen(SDK);
    const user = await SDK.init(apply(parse, null, [params]), config);
    realm.engagement = await SDK.createEngagement({ topic: "A changed page" });
    return realm.engagement.engagementId + " " + user.displayName;
  };
  realm.say = async (text) => (await realm.engagement.sendMessage(text)).body.elementText.text;
  realm.history = async () => {
    const page = await realm.engagement.getMessages(5);
    const texts = () => {
      let text = "";
      for (let i = page.items.length; i--;) text += "|" + page.items[i].body.elementText.text; // the newest stands first
      return text;
    };
    let all = texts();
    while (page.hasPrevious()) {
      await page.previous();
      all = texts() + all;
    }
    return all;
  };
  realm.failure = async (f) => {
    const SDK = window.AvayaCCaaSChatSDK;
    try {
      await f(SDK);
      return "none";
    } catch (e) {
      return (e instanceof SDK.ACSException) + " " + e.name + " " + e;
    }
  };
})();
