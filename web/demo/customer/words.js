// What the customer reads when something is not as it should be, and what to do about it.

/** For an error of the SDK (ACSException, by its code) or of our own server. */
export function explain(error) {
  switch (error?.code) {
    case "ACS-306":
    case "UNREACHABLE": // backend.js
      return "We can't be reached right now. Check your internet connection, then try again.";
    case "ACS-311":
    case "NOT_LOADED": // session.js
      return "The chat could not be loaded. Reload the page, then try again.";
    case "ACS-302":
    case "ACS-305":
    case "ACS-307":
    case "ACS-308":
      return "The chat refused our sign-in. Reload the page; if it happens again, phone us.";
    case "ACS-312":
    case "ACS-313":
    case "ACS-314":
      return "That chat has ended. Start another one.";
    case "ACS-310":
      return "The connection to the chat has ended. Start again to go on.";
    case "ACS-316":
    case "ACS-317":
      return "Earlier messages could not be loaded. Try again.";
    case "ACS-322":
      return error.message;
    default:
      return "That did not work. Try again in a moment; if it happens again, reload the page.";
  }
}

/** For the events of the connection: {text, retry: whether "Try now" makes sense}. */
export function connectionWords(event, secondsLeft) {
  if (event.reason === "UNAUTHORIZED" || event.reason === "FORBIDDEN") {
    return { text: "Signing in again…", retry: false };
  }
  if (event.reason === "RECONNECTION_TIMEOUT") {
    return { text: "We could not reconnect. Check your internet connection, then try again.", retry: true };
  }
  if (secondsLeft > 0) {
    return { text: `Connection lost. Reconnecting in ${secondsLeft} s…`, retry: true };
  }
  return { text: "Connection lost. Reconnecting…", retry: false };
}
