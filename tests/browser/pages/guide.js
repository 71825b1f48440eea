// The samples of the guide that existing pages were written from, each as the guide
// prints it, and in a function of its own. Ours are
//
//   - given("…"), where the guide prints a placeholder,
//   - lines with ui., where it leaves what to do to its reader,
//   - what makes it a program: `=>` for a `=`, `async` where it awaits.
//
// page.js stands before this file. Its handlers tell the test of everything until a
// sample replaces them.
(() => {
  "use strict";
  const note = (name, data) => window.note(JSON.stringify({ kind: "guide", name, data }));

  const values = {};
  const given = (words) => {
    if (!(words in values)) throw new Error("the test gives nothing for " + words);
    return values[words];
  };

  const kept = {};
  const ui = {
    // A page would show it.
    show: note,
    keep: (name, value) => note(name, (kept[name] = value)),
    // A page would ask its own server.
    fetchToken: async (details) => {
      note("refreshJWT", details);
      return (await fetch("/t/token", { method: "POST" })).text();
    },
  };

  const samples = {
    async initialization() {
      const configs = {
        reconnectionTimeout: 120,
        idleTimeout: 300,
        idleShutdownGraceTimeout: 30,
        logLevel: "DEBUG"
      }

      let userContext = await AvayaCCaaSChatSDK.init({
        hostURL: given("<CCaaS Host URL>"),
        integrationId: given("<Integration Id>"),
        token: given("jwt.header.payload"),
        appkey: given("<Application Key>"),
        sessionParameters: {
          "model" : "ABC-123"
        }
      }, configs);
      ui.keep("initialization", userContext);
    },

    waitingThen() {
      // Attach the handler for 'INITIALIZED' event before making the AvayaCCaaSChatSDK.init() call
      AvayaCCaaSChatSDK.on('INITIALIZED', (userContext) => {
        // Code to run after initialization
        ui.keep("in the handler", userContext);
      });

      // Init parameters are not shown in this example for brevity.
      AvayaCCaaSChatSDK.init(...given("...")).then((userContext) => {
        // Code to run after initialization
        ui.keep("after the promise", userContext);
      });
    },

    async waitingAwait() {
      // Attach the handler for 'INITIALIZED' event before making the AvayaCCaaSChatSDK.init() call
      AvayaCCaaSChatSDK.on('INITIALIZED', (userContext) => {
        // Code to run after initialization
        ui.keep("in the handler", userContext);
      });

      // Init parameters are not shown in this example for brevity.
      let userContext = await AvayaCCaaSChatSDK.init(...given("..."));
      ui.keep("after the promise", userContext);
    },

    jwtLifecycle() {
      async function refreshJWT(details) {
        // Fetch the new JWT token from your backend web application.
        // ...
        const token = await ui.fetchToken(details);
        AvayaCCaaSChatSDK.setJwtToken(token);
      }

      AvayaCCaaSChatSDK.on('TOKEN_EXPIRY_REMINDER', refreshJWT);
      AvayaCCaaSChatSDK.on('TOKEN_EXPIRED', refreshJWT);
    },

    subscribe() {
      AvayaCCaaSChatSDK.on('MESSAGE_ARRIVED', (message) => {
        // Show message on UI.
        ui.show("MESSAGE_ARRIVED", message);
      });
    },

    unsubscribe() {
      // Remove event handler for specific event.
      AvayaCCaaSChatSDK.off('MESSAGE_ARRIVED');
    },

    unsubscribeAll() {
      // Remove event handlers for all events.
      AvayaCCaaSChatSDK.off();
    },

    async startChat() {
      const engagement = await AvayaCCaaSChatSDK.createEngagement({
        "availableBalance" : "100"
      });
      ui.keep("engagement", engagement);
    },

    async listChats() {
      const engagements = await AvayaCCaaSChatSDK.getEngagements();
      ui.keep("engagements", engagements);
    },

    specificChat() {
      const engagement = AvayaCCaaSChatSDK.getEngagementById(given("<engagement id>"));
      kept.found = engagement; // ui.keep would look at it
    },

    async joinChat() {
      const engagement = AvayaCCaaSChatSDK.getEngagementById(given("<engagement id>"));

      await engagement.join();
    },

    async disconnectChat(engagement) {
      await engagement.disconnect();
    },

    participants() {
      const engagement = AvayaCCaaSChatSDK.getEngagementById(given("<engagement id>"));

      const participants = engagement.getParticipants();
      const participant = engagement.getParticipantById(given("<participant id>"));
      ui.show("participants", { participants, participant });
    },

    async sendMessage(engagement) {
      const message = await engagement.sendMessage("Hello");
      console.log(message.messageId);
      ui.show("sent", message);
    },

    messageDelivery() {
      AvayaCCaaSChatSDK.on('MESSAGE_DELIVERED', (message) => {
        // Show tick on UI.
        ui.show("tick", message);
      });
    },

    receivingMessages() {
      AvayaCCaaSChatSDK.on('MESSAGE_ARRIVED', (message) => {
        // Show new message on UI.
        ui.show("new message", message);
      });
    },

    async allMessages(engagement) {
      function showMessagesOnUI(messages) {
        // Logic to show messages on UI.
        // ...
        ui.show("page", messages);
      }

      const iterator = await engagement.getMessages(15);

      showMessagesOnUI(iterator.items);

      const loadMore = document.getElementById('load-more-button');

      loadMore.onclick = async function () {
        if (iterator.hasPrevious()) {
          await iterator.previous();
          showMessagesOnUI(iterator.items);
        }
      }
    },

    async timeouts() {
      const sdkInitParams = given("sdkInitParams");
      // First parameters is not shown in this example for brevity.
      AvayaCCaaSChatSDK.init(sdkInitParams, {
        idleTimeout: 900,
        idleShutdownGraceTimeout: 120
      });

      // ...

      function warnUser(message) {
        // Show warning on UI.
        ui.show("warning", message);
      }

      AvayaCCaaSChatSDK.on('IDLE_TIMEOUT_EXPIRED', (eventPayload) => {
        warnUser(`The session will expire in ${eventPayload.gracePeriod}`);
      });
    },

    extendSession() {
      function showWarningBox(eventPayload) {
        const continueChatButton = document.getElementById('inactivity-warning-continue-chat');

        continueChatButton.onclick = () => {
          AvayaCCaaSChatSDK.resetTimer();
        }
        // ...
        ui.show("warning box", eventPayload);
        setTimeout(hideWarningBox, eventPayload.gracePeriod);
      }

      function hideWarningBox() {
        // ...
        ui.show("no warning box", null);
      }

      AvayaCCaaSChatSDK.on('IDLE_TIMEOUT', showWarningBox);
    },

    network() {
      AvayaCCaaSChatSDK.on('EVENT_STREAM_CONNECTING', (eventPayload) => {
        // Show connecting on UI.
        ui.show("connecting", eventPayload);
      });

      AvayaCCaaSChatSDK.on('EVENT_STREAM_CONNECTED', (eventPayload) => {
        // Show connected on UI.
        ui.show("connected", eventPayload);
      });

      AvayaCCaaSChatSDK.on('EVENT_STREAM_FAILED', (eventPayload) => {
        // Show network disconnected on UI.
        ui.show("disconnected", eventPayload);
      });

      AvayaCCaaSChatSDK.on('EVENT_STREAM_CLOSED', (eventPayload) => {
        // Show connection closed on UI.
        ui.show("closed", eventPayload);
      });
    },

    reconnection() {
      const sdkInitParams = given("sdkInitParams");
      // First parameters is not shown in this example for brevity.
      AvayaCCaaSChatSDK.init(sdkInitParams, {
        reconnectionTimeout: 300
      });
    },

    async shutdown() {
      AvayaCCaaSChatSDK.on('SHUTDOWN', (eventPayload) => {
        // Do UI cleanup after shutdown.
        ui.show("SHUTDOWN", eventPayload);
      });

      await AvayaCCaaSChatSDK.shutdown();
    },

    // OR

    shutdownThen() {
      AvayaCCaaSChatSDK.shutdown().then((data) => {
        // Do UI cleanup after shutdown.
        ui.show("cleanup", data === undefined ? null : data);
      });
    },

    // OR

    async shutdownAwait() {
      await AvayaCCaaSChatSDK.shutdown();
      // Do UI cleanup after shutdown.
      ui.show("cleanup", null);
    },
  };

  window.guide = { values, kept, run: async (name, ...args) => void (await samples[name](...args)) };
})();
