// All adapters: figures, compare, take along.

import { $, ask, confirmed, counted, el, guarded, percent, say, t } from "./tools.js";
import { setAdapters } from "./try.js";

let adapters = [];
const compared = new Set();

export async function refreshAdapters(wanted) {
  adapters = await ask("GET", "/api/adapters");
  setAdapters(adapters, wanted);
  for (const id of compared) if (!adapters.some((one) => one.id === id)) compared.delete(id);
  $("adapters").replaceChildren(...(adapters.length ? adapters.map(card) : [el("p", { class: "meaning" }, t("keep.nothing"))]));
  drawComparison();
}

const rows = (one) => [
  ["keep.classes", one.classes.join(", ")],
  ["keep.network", one.network],
  ["keep.size", t("keep.kb", { kb: Math.round(one.bytes / 1024), rank: one.rank, family: one.family })],
  ["dial.learned", figure(one.figures.learned)],
  ["dial.kept", figure(one.figures.kept)],
  ["dial.false_positives", figure(one.figures.false_positives)],
  ["keep.date", new Date(one.created * 1000).toLocaleString()],
];

function figure(one) {
  if (!one) return t("dial.none");
  const range = one.interval ? ` (${percent(one.interval[0])}–${percent(one.interval[1])})` : "";
  return `${percent(one.value)}${range}, ${counted("images.count", one.images)}${one.selected.length ? " *" : ""}`;
}

function card(one) {
  const name = one.name || one.id;
  const button = (text, action) => el("button", { type: "button", "aria-label": `${t(text)}: ${name}`, onclick: guarded(action) }, t(text));
  const link = (text, path) => el("a", { class: "button", href: `/api/adapters/${one.id}/${path}`, download: true, "aria-label": `${t(text)}: ${name}` }, t(text));
  const box = el("input", { type: "checkbox", checked: compared.has(one.id), onchange: (event) => {
    event.target.checked ? compared.add(one.id) : compared.delete(one.id);
    drawComparison();
  } });
  return el("article", { class: "card" },
    el("h3", {}, el("bdi", {}, name)),
    one.preview && el("img", { src: `/api/adapters/${one.id}/preview`, alt: t("keep.preview", { name }), loading: "lazy", width: 512, height: 768 }),
    el("dl", {}, rows(one).map(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)])),
    Object.values(one.figures).some((figure) => figure?.selected.length) && el("small", { class: "meaning" }, `* ${t("dial.selected")}`),
    el("div", { class: "row" },
      button("keep.try", async () => { setAdapters(adapters, one.id); $("adapter").onchange(); $("try").scrollIntoView(); $("try").focus({ preventScroll: true }); }),
      link("keep.download", "download"), button("keep.merged", () => fetched(one.id, "merged")), button("keep.onnx", () => fetched(one.id, "onnx")),
      button("keep.rename", async () => {
        const to = await confirmed(t("keep.rename.ask"), one.name);
        if (to !== null) { await ask("PATCH", `/api/jobs/${one.id}`, { name: to }); await refreshAdapters(); }
      }),
      button("keep.delete", async () => {
        if (await confirmed(t("keep.delete.ask", { name }))) { await ask("DELETE", `/api/jobs/${one.id}`); await refreshAdapters(); }
      }),
      el("label", { class: "row" }, box, t("keep.compare"))));
}

/** What has to be computed first, and may fail. */
async function fetched(id, what) {
  say(t("keep.writing"));
  const answer = await fetch(`/api/adapters/${id}/${what}`);
  if (!answer.ok) throw new Error((await answer.json()).error);
  const name = answer.headers.get("content-disposition").match(/"(.+)"/)[1];
  const address = URL.createObjectURL(await answer.blob());
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function drawComparison() {
  const some = adapters.filter((one) => compared.has(one.id));
  if (some.length < 2) return $("compare").replaceChildren();
  const columns = some.map(rows);
  $("compare").replaceChildren(el("h3", {}, t("keep.comparison")), el("table", { class: "compare" },
    el("thead", {}, el("tr", {}, el("td", {}), some.map((one) => el("th", { scope: "col" }, one.name || one.id)))),
    el("tbody", {}, columns[0].map(([key], row) =>
      el("tr", {}, el("th", { scope: "row" }, t(key)), columns.map((column) => el("td", {}, column[row][1])))))));
}
