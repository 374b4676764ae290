// Asking the server again and again, patiently.

const SLOWEST_MS = 10000;

/**
 * Fetch JSON every `interval` ms and hand it to `onData`, until that returns false.
 * After an error the pause doubles, up to ten seconds, and `onTrouble` is told; a 404 ends it.
 */
export async function poll(url, { interval, onData, onTrouble = () => {} }) {
  let pause = interval;
  for (;;) {
    const answer = await ask(url);
    if (answer.status === 404) return onTrouble("gone");
    if (answer.ok && onData(answer.body) === false) return undefined;
    if (!answer.ok) onTrouble("unreachable");
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
