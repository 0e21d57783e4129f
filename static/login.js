// The form for a token or a password, shown when the server asks who this is, with its words about why. app.js owns it.

import { RequestError, hasToken, logIn, setToken } from "./api.js";
import { at, write } from "./paint.js";

export class Login {
  #enter;
  #wasTried = false;

  /** `enter()` is called when there is a token to try, `leave()` when it is to be forgotten. */
  constructor({ enter, leave }) {
    this.#enter = enter;
    at("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const token = at("token").value.trim();
      at("token").value = "";
      if (token === "") return;
      if (/[^\x21-\x7e]/.test(token)) return write(at("token-note"), "A token has no spaces and no letters beyond ASCII.");
      this.#try(token);
    });
    at("login-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const password = at("login-password").value;
      at("login-password").value = "";
      try {
        this.#try(await logIn(at("login-name").value.trim(), password));
      } catch (error) {
        write(at("token-note"), error instanceof RequestError ? error.message : String(error));
      }
    });
    at("token-forget").addEventListener("click", () => {
      setToken(null);
      this.#wasTried = false;
      leave();
    });
  }

  #try(token) {
    setToken(token);
    this.#wasTried = true;
    this.#enter();
  }

  /** The connection's state changed. */
  follow({ name, reason }) {
    const isLocked = name === "locked";
    at("token-panel").hidden = !isLocked;
    at("token-forget").hidden = !hasToken();
    if (!isLocked) return;
    const words = this.#wasTried || hasToken() ? `The server did not accept it: ${reason}` : `This server wants to know who you are: ${reason}`;
    setToken(null);
    at("token-forget").hidden = true;
    write(at("token-note"), words);
    if (!at("token-panel").contains(document.activeElement)) at("token").focus();
  }
}
