// The forms for a token and for a password, those of them that the server takes, shown when it asks who this is. app.js owns
// them.

import { RequestError, hasToken, logIn, setToken } from "./api.js";
import { at, write } from "./paint.js";

export class Login {
  #enter;
  #wasTried = false;
  #followed = null;

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

  /** The connection's state, told about once a second: only another one is news. */
  follow(state) {
    if (state === this.#followed) return;
    this.#followed = state;
    const isLocked = state.name === "locked";
    at("token-panel").hidden = !isLocked;
    at("token-forget").hidden = isLocked || !hasToken();
    if (!isLocked) return;
    const wasTried = this.#wasTried || hasToken();
    setToken(null);
    const has = (way) => state.ways === null || state.ways.includes(way);
    at("token-form").hidden = !has("token");
    at("login").hidden = !has("password");
    // Folded only where there is another way in.
    if (!has("token")) at("login").open = true;
    const why = state.ways === null ? state.reason : "it is wrong, was taken back, or is a login that has run out";
    write(at("token-note"), wasTried ? `The server did not accept the token: ${why}.` : "This server wants to know who you are.");
    if (!at("token-panel").contains(document.activeElement)) at(has("token") ? "token" : "login-name").focus();
  }
}
