// The dialog that asks for the server's token.

import { openSession } from "./api.js";
import { byId } from "./dom.js";

/** Show the dialog, unless it is there. */
export function askForToken() {
  const dialog = byId("token");
  if (!dialog.open) dialog.showModal();
}

/** Call `opened` each time that a token was given which the server knows. */
export function setUpToken(opened) {
  byId("token-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await openSession(byId("token-text").value);
    } catch (error) {
      byId("token-wrong").textContent = [401, 403].includes(error.status) ? "That is not the token of this server." : error.message;
      byId("token-text").select();
      return;
    }
    byId("token").close();
    byId("token-wrong").textContent = "";
    byId("token-text").value = "";
    opened();
  });
}
