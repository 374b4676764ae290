// The four sequences and how names of files and folders speak of them; the same rules as model/io/modalities.py,
// which a test compares with these.

export const MODALITIES = ["flair", "t1", "t1ce", "t2"];
export const TITLES = { flair: "FLAIR", t1: "T1", t1ce: "T1ce", t2: "T2" };
export const MASK = "seg";
// Sequences that a case may lack.
export const MOST_MISSING = 1;

const CONTRAST = "ce|gd|gad|postgd|postcontrast|contrast|km|\\+c|gadolinium|enhanced";
const REWRITES = [
  [" (?:to|onto|in|on|space) (?:t1ce|t1c|t1gd|t1w?|t2w?|t2f|flair)(?= )", ""],
  [" c \\+(?= )", " +c"],
  [` (?:pre|non|no|without|wo) (?:${CONTRAST})(?= )`, " native"],
  [" (t1w?) flair(?= )", " $1"],
  [` (?:${CONTRAST}) (?:t1w?|mprage|bravo)(?= )`, " t1ce"],
  [" (?:t1w?|mprage|bravo)(?: (?!(?:t1|t2|flair|native|pre|seg|mask|label)[^ ]* )[^ ]+){0,3}?"
    + ` (?:${CONTRAST}|post)(?= )`, " t1ce"],
  [" (?:t1w?|mprage|bravo) c(?= )", " t1ce"],
].map(([pattern, replacement]) => [new RegExp(pattern, "g"), replacement]);
const PATTERNS = [
  [MASK, "seg|mask|label|labels|segmentation"],
  ["flair", "flair|t2f|t2flair|t2 flair|tirm|dark fluid"],
  ["t1ce", "t1ce|t1c|t1gd|t1km|t1post|t1contrast|t1wce|ce gadolinium"],
  ["t1", "t1|t1n|t1w|t1 native|t1pre|mprage|bravo"],
  ["t2", "t2|t2w|t2 tse|t2tse"],
].map(([key, words]) => [key, new RegExp(`(?:^| )(?:${words})(?: |$)`)]);
const OTHERS = / (?:t2 star|t2star|swi|dwi|adc|dti|bold|fmri|asl|tof|mra|pwi|subtraction|t[12]w? ?map|t1[a-z]* sub(?= $))(?= )/;

const match = (text) => PATTERNS.find(([, pattern]) => pattern.test(text))?.[0] ?? null;

function textOf(fileName) {
  const base = fileName.toLowerCase().replaceAll("\\", "/").split("/").at(-1).replace(/(\.nii|\.gz)+$/, "");
  const plain = base.replaceAll("t2*", "t2star").replaceAll("+", " +").replace(/[^a-z0-9+]+/g, " ");
  const text = ` ${plain.split(" ").filter(Boolean).join(" ")} `;
  return REWRITES.reduce((known, [pattern, replacement]) => known.replace(pattern, replacement), text);
}

/** The modality that a file name speaks of, "seg" for a mask, or null. The rightmost words count most. */
export function guessModality(fileName) {
  const text = textOf(fileName);
  const words = text.split(" ").filter(Boolean);
  for (let start = words.length - 1; start >= 0; start -= 1) {
    const pair = words.slice(Math.max(start - 1, 0), start + 1).join(" ");
    const found = match(pair) ?? match(words[start]);
    if (found) return found !== MASK && OTHERS.test(text) ? null : found;
  }
  return null;
}

/** What is left of a name without the words that tell sequences apart: the patient, if names are regular. */
export function stemOf(fileName) {
  const base = fileName.replaceAll("\\", "/").split("/").at(-1).replace(/(\.nii|\.gz)+$/i, "");
  const parts = base.split(/([^a-zA-Z0-9+]+)/);
  while (parts.length > 2 && guessModality(parts.join(""))) parts.splice(-2);
  return parts.join("");
}

/**
 * What guessModality says of each file of one patient, or else of its folder, where no name of a file in it
 * speaks of a sequence, and no name says the same elsewhere (`FLAIR/scan.nii`).
 */
export function guessModalities(paths) {
  const guesses = paths.map(guessModality);
  const folders = paths.map((path) => path.replaceAll("\\", "/").split("/").slice(0, -1).join("/"));
  const ofMany = new Set(folders.filter((_, place) => MODALITIES.includes(guesses[place])));
  return paths.map((path, place) => {
    if (guesses[place] || OTHERS.test(textOf(path)) || ofMany.has(folders[place])) return guesses[place];
    const byFolder = guessModality(folders[place]);
    return guesses.includes(byFolder) ? null : byFolder;
  });
}
