// Unsaved corrections in the browser's own database: what differs from the version that was drawn on. A reload or a
// crash loses nothing; saving or discarding removes it.

const [DATABASE, STORE] = ["corrections", "drafts"];

function request(make) {
  return new Promise((resolve, reject) => {
    const asked = make();
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function store(mode, use) {
  const database = await request(() => {
    const opening = window.indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    return opening;
  });
  try {
    return await request(() => use(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** {base, places, values} of a case, or null. Browsers may keep a page from storing anything. */
export const readDraft = (caseId) => store("readonly", (drafts) => drafts.get(caseId)).then((found) => found ?? null, () => null);

export const writeDraft = (caseId, draft) => store("readwrite", (drafts) => drafts.put(draft, caseId)).catch(() => {});

export const removeDraft = (caseId) => store("readwrite", (drafts) => drafts.delete(caseId)).catch(() => {});

/** What differs between a mask and the one it began with. */
export function difference(data, begun) {
  const places = [];
  for (let n = 0; n < data.length; n += 1) if (data[n] !== begun[n]) places.push(n);
  return { places: Uint32Array.from(places), values: Uint8Array.from(places, (place) => data[place]) };
}
