// Signing in: by the one-time link, by name and password, or by a token.
import { html, useState } from "./lib.js";
import { post } from "./api.js";
import { Field, Problem } from "./parts.js";
import { loadMe } from "./store.js";
import { t } from "./text.js";

// The code of a one-time link stands after the `#`; it is used and taken out of the address.
export async function useLink() {
  const found = /^#code=([\w-]+)$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", "#/today");
  try {
    await post("/login", { code: found[1] });
  } catch {
    // Used already, perhaps by this very browser: then the session is there.
  }
}

export function SignIn() {
  const [way, setWay] = useState("password");
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const body =
      way === "password"
        ? { user: form.get("user").trim(), password: form.get("password") }
        : { token: form.get("token").trim() };
    try {
      await post("/login", body);
      await loadMe();
    } catch (problem) {
      setError(problem.status === 401 ? new Error(t("That is not right. Please try again.")) : problem);
    }
  };
  const tab = (name, text) =>
    html`<button type="button" class=${`small ${way === name ? "on" : ""}`} aria-pressed=${way === name} onClick=${() => setWay(name)}>${text}</button>`;
  return html`<main class="sign-in">
    <form class="card" onSubmit=${submit}>
      <h1>evenload</h1>
      <p class="buttons">${tab("password", t("Name and password"))} ${tab("token", t("Token"))}</p>
      ${
        way === "password"
          ? html`<${Field} label=${t("Name")}><input name="user" autocomplete="username" required /><//>
              <${Field} label=${t("Password")}>
                <input name="password" type="password" autocomplete="current-password" required />
              <//>`
          : html`<${Field} label=${t("Token")} hint=${t("The admin token, or one made under Access.")}>
              <input name="token" type="password" autocomplete="off" required />
            <//>`
      }
      <${Problem} error=${error} />
      <button type="submit" class="main">${t("Sign in")}</button>
      <p class="quiet">${t("At its first start the service prints a link that signs in once.")}</p>
    </form>
  </main>`;
}
