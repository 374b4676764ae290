// The four sequences, and how they are recognised in the names of files and folders. The rules come with the upload
// page from model/io/modalities.py; a test compares what both make of many names.

const rules = JSON.parse(document.getElementById("upload").dataset.nameRules);

export const MODALITIES = rules.modalities;
export const TITLES = rules.titles;
export const MASK = rules.mask;
// Sequences that a case may lack.
export const MOST_MISSING = rules.most_missing;

// The server writes a group in a replacement as \1, JavaScript as $1.
const replacements = (pairs) => pairs.map(([pattern, text]) => [new RegExp(pattern, "g"), text.replace(/\\(\d)/g, "$$$1")]);
const SPELLINGS = replacements(rules.spellings);
const REWRITES = replacements(rules.rewrites);
const WORDS = rules.words.map(([key, pattern]) => [key, new RegExp(pattern)]);
const OTHERS = new RegExp(rules.others);
const SUFFIX = new RegExp(rules.suffix, "i");

const match = (text) => WORDS.find(([, pattern]) => pattern.test(text))?.[0] ?? null;
const replaceAll = (text, pairs) => pairs.reduce((known, [pattern, replacement]) => known.replace(pattern, replacement), text);
const withoutFolder = (path) => path.replaceAll("\\", "/").split("/").at(-1);

/** The words of a file's name in lower case, each between spaces. */
function wordsOf(path) {
  const plain = replaceAll(withoutFolder(path.toLowerCase()).replace(SUFFIX, ""), SPELLINGS);
  return replaceAll(` ${plain.split(" ").filter(Boolean).join(" ")} `, REWRITES);
}

/** The sequence that a file's name tells, "seg" for a mask, or null. The rightmost words count most. */
export function guessModality(fileName) {
  const text = wordsOf(fileName);
  const words = text.split(" ").filter(Boolean);
  for (let start = words.length - 1; start >= 0; start -= 1) {
    const pair = words.slice(Math.max(start - 1, 0), start + 1).join(" ");
    const found = match(pair) ?? match(words[start]);
    if (found) return found !== MASK && OTHERS.test(text) ? null : found;
  }
  return null;
}

/** A file's name without the words that tell its sequence. Files of one patient then often have the same name. */
export function stemOf(fileName) {
  const base = withoutFolder(fileName).replace(SUFFIX, "");
  const parts = base.split(/([^a-zA-Z0-9+]+)/);
  while (parts.length > 2 && guessModality(parts.join(""))) parts.splice(-2);
  return parts.join("");
}

/**
 * The sequence of each file of one patient, by its name or else by its folder (`FLAIR/scan.nii`). A folder's name
 * counts only if no file in it has the name of a sequence, and no file elsewhere has the name of this one.
 */
export function guessModalities(paths) {
  const guesses = paths.map(guessModality);
  const folders = paths.map((path) => path.replaceAll("\\", "/").split("/").slice(0, -1).join("/"));
  const ofMany = new Set(folders.filter((_, place) => MODALITIES.includes(guesses[place])));
  return paths.map((path, place) => {
    if (guesses[place] || OTHERS.test(wordsOf(path)) || ofMany.has(folders[place])) return guesses[place];
    const byFolder = guessModality(folders[place]);
    return guesses.includes(byFolder) ? null : byFolder;
  });
}
