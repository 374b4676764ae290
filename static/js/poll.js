// Asks the server again and again until there is nothing more to ask.

const SLOWEST_MS = 10000;
const UNREACHABLE = "The server does not answer. Trying again …";
// After these answers it makes no sense to ask again.
const ENDS = {
  401: "You are no longer signed in. Load this page again.",
  404: "This case has been deleted.",
};

/**
 * Fetch JSON every `interval` ms and hand it to `onData`, until that returns false. `url` may be a function that returns it.
 * After an error the pause doubles, up to ten seconds, and `onTrouble` gets a sentence that says what is wrong.
 * It ends where the case was deleted or the user may no longer see it.
 */
export async function poll(url, { interval, onData, onTrouble }) {
  let pause = interval;
  for (;;) {
    const answer = await ask(typeof url === "function" ? url() : url);
    if (answer.status in ENDS) return onTrouble(ENDS[answer.status]);
    if (answer.ok && onData(answer.body) === false) return undefined;
    if (!answer.ok) onTrouble(UNREACHABLE);
    pause = answer.ok ? interval : Math.min(pause * 2, SLOWEST_MS);
    await new Promise((resolve) => { setTimeout(resolve, pause); });
  }
}

async function ask(url) {
  try {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
    return { ok: answer.ok, status: answer.status, body: answer.ok ? await answer.json() : null };
  } catch {
    return { ok: false, status: 0, body: null };
  }
}
