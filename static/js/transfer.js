// Sending one case with progress. XMLHttpRequest, because fetch cannot report how much was sent.

/** What the server said was wrong, in its words. */
export class Refusal extends Error {
  constructor({ code, message, hint = "", file = null }) {
    super(message);
    Object.assign(this, { code, hint, file });
  }
}

const UNREACHABLE = {
  code: "unreachable",
  message: "The server could not be reached.",
  hint: "Check that it is running, then try again. Nothing was kept.",
};

/** The error of an answer, whether it came from the application or from a proxy before it. */
export function refusalFrom(status, body) {
  return new Refusal(body?.error ?? {
    code: `http_${status}`,
    message: status === 413 ? "The upload is larger than the server accepts." : `The server answered ${status}.`,
    hint: "Nothing was kept.",
  });
}

/**
 * Fetch JSON. Rejects with a Refusal where the server refuses, and with one that ends in `hint` where
 * it cannot be reached.
 */
export async function fetchJson(url, options, hint) {
  let answer;
  try {
    answer = await fetch(url, { ...options, headers: { Accept: "application/json" }, cache: "no-store" });
  } catch {
    throw new Refusal({ ...UNREACHABLE, hint });
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw refusalFrom(answer.status, body);
  return body;
}

/** The files of a patient that are sent. */
export function filesOf(patient) {
  if (patient.zip) return [patient.zip];
  return patient.study ?? Object.values(patient.slots);
}

export const bytesOf = (patient) => filesOf(patient).reduce((sum, { file }) => sum + file.size, 0);

/** The form data of a patient: each scan under its sequence, or a zip or a study whole; its series are then confirmed. */
export async function formFor(patient, name) {
  const form = new FormData();
  // The name goes first, so that a server that reads as it receives has it from the start.
  if (name) form.append("name", name);
  form.append("confirm", "1");
  if (patient.zip || patient.study) {
    for (const { file } of filesOf(patient)) form.append("files", file, file.name);
  } else {
    for (const [modality, entry] of Object.entries(patient.slots)) {
      form.append(modality, await unpacked(entry), entry.file.name);
    }
  }
  return form;
}

async function unpacked({ file, open }) {
  if (!open) return file;
  try {
    return await open();
  } catch {
    throw new Refusal({
      code: "zip_damaged",
      message: `${file.name} cannot be unpacked: the zip is damaged.`,
      hint: "Copy or download the zip again from its source.",
      file: file.name,
    });
  }
}

/**
 * POST a form; resolves to the server's JSON, rejects with a Refusal or, when aborted, an AbortError.
 * `onProgress` gets {sent, total, bytesPerSecond}; sent equals total while the server is checking.
 */
export function send(url, form, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const started = performance.now();
    const report = (event) => onProgress({
      sent: event.loaded,
      total: event.total,
      bytesPerSecond: (1000 * event.loaded) / Math.max(performance.now() - started, 1),
    });
    request.upload.addEventListener("progress", report);
    request.upload.addEventListener("load", report);
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300 && request.response) resolve(request.response);
      else reject(refusalFrom(request.status, request.response));
    });
    request.addEventListener("error", () => reject(new Refusal(UNREACHABLE)));
    request.addEventListener("abort", () => reject(new DOMException("Cancelled", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.responseType = "json";
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.send(form);
  });
}
