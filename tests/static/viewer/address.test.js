import assert from "node:assert/strict";
import test from "node:test";

import { formatQuery, parseQuery, reportQuery } from "../../../static/js/viewer/address.js";

const CASE = { modalities: ["flair", "t1ce"], layouts: ["planes", "one", "prior"], priors: ["a", "b"] };
const DEFAULTS = { layout: "planes", plane: "axial", preset: "lesion", prior: "a" };
const VIEW = {
  ...DEFAULTS, index: { axial: 1, coronal: 2, sagittal: 3 }, modality: "flair", regions: ["core", "edema"], opacity: 0.5,
  outline: false, confidence: false, crosshair: true, change: false, windows: {}, zoom: 1, centre: null,
};

test("what is as usual is not in the address", () => {
  assert.equal(formatQuery(VIEW, DEFAULTS), "axial=1&coronal=2&sagittal=3&modality=flair&regions=core,edema&opacity=0.5&outline=0");
});

test("a view comes back from its address", () => {
  const state = {
    ...VIEW, layout: "prior", prior: "b", plane: "coronal", preset: "brain", crosshair: false, change: true, zoom: 2.5, centre: [1.5, 2, 3],
    windows: { t1ce: [-12.25, 900], flair: [0.00123456, 0.0456789] },
  };
  const found = parseQuery(`?${formatQuery(state, DEFAULTS)}`, CASE, DEFAULTS);
  for (const [name, value] of Object.entries(found)) assert.deepEqual(value, state[name], name);
});

test("values that make no sense are the defaults", () => {
  const usual = parseQuery("", CASE, DEFAULTS);
  const wrong = "?layout=sequences&plane=x&preset=x&prior=c&zoom=-1&centre=1,2&window_t1ce=9,1&window_flair=x,1&window_t2=1,2&change=x";
  assert.deepEqual(parseQuery(wrong, CASE, DEFAULTS), usual);
  assert.deepEqual({ layout: usual.layout, prior: usual.prior, zoom: usual.zoom }, { layout: "planes", prior: "a", zoom: 1 });
});

test("a case without a prior has no layout of it", () => {
  const alone = { ...CASE, layouts: ["planes", "one"], priors: [] };
  assert.equal(parseQuery("?layout=prior&prior=a", alone, { ...DEFAULTS, prior: undefined }).layout, "planes");
  assert.ok(!formatQuery({ ...VIEW, prior: undefined }, { ...DEFAULTS, prior: undefined }).includes("prior"));
});

test("a report is told windows of any size", () => {
  assert.equal(reportQuery({ flair: [0.001234567, 3], t1ce: [-5, 123456.7] }), "window_flair=0.00123457,3&window_t1ce=-5,123457");
});
