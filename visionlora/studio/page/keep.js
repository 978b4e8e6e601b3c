// All adapters: figures, compare, take along.

import { $, ask, confirmed, counted, el, guarded, percent, say, t } from "./tools.js";
import { answerOf, setAdapters } from "./try.js";

const METHODS = ["add", "average", "ties", "dare_ties"];

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

/** Those that are ticked, side by side, and what makes one of them. */
function drawComparison() {
  const some = adapters.filter((one) => compared.has(one.id));
  if (some.length < 2) return $("compare").replaceChildren();
  const columns = some.map(rows);
  const line = (text, cells) => el("tr", {}, el("th", { scope: "row" }, text), cells.map((cell) => el("td", {}, cell)));
  $("compare").replaceChildren(el("h3", {}, t("keep.comparison")), el("div", { class: "wide" }, el("table", { class: "compare" },
    el("thead", {}, el("tr", {}, el("td", {}), some.map((one) => el("th", { scope: "col" }, el("bdi", {}, one.name || one.id))))),
    el("tbody", {}, columns[0].map(([key], row) => line(t(key), columns.map((column) => column[row][1]))),
      line(t("keep.answer"), some.map((one) => el("span", { "data-adapter": one.id })))))), merger(some));
  drawAnswers();
}

/** What each of them says to the image under "Try". */
export function drawAnswers() {
  for (const cell of document.querySelectorAll("#compare [data-adapter]")) {
    cell.textContent = "…";
    answerOf(cell.dataset.adapter).then(
      (best) => cell.replaceChildren(...(best ? best.map(([name, share]) => el("div", {}, el("bdi", {}, name), ` ${percent(share)}`)) : [t("keep.answer.none")])),
      (error) => (cell.textContent = error.message));
  }
}

function merger(some) {
  const weights = some.map((one, place) => el("input", { id: `weight-${place}`, type: "number", min: -2, max: 2, step: 0.05, value: 1, required: true }));
  const method = el("select", { id: "merge-method", onchange: () => (help.textContent = t(`merge.${method.value}.help`)) },
    METHODS.map((one) => el("option", { value: one }, t(`merge.${one}`))));
  const name = el("input", { id: "merge-name", maxlength: 200, autocomplete: "off" });
  const help = el("p", { class: "meaning" }, t("merge.add.help"));
  const wrong = el("p", { class: "error", role: "alert" });
  const start = el("button", { type: "submit", class: "main" }, t("merge.start"));
  const merge = async (event) => {
    event.preventDefault();
    start.disabled = true;
    wrong.textContent = "";
    try {
      const asked = { adapters: some.map((one) => one.id), weights: weights.map((one) => Number(one.value)), method: method.value, name: name.value };
      const { id } = await ask("POST", "/api/adapters/merge", asked);
      compared.clear();
      await refreshAdapters(id);
      say(t("merge.done"));
    } catch (error) {
      wrong.textContent = error.message;
    } finally {
      start.disabled = false;
    }
  };
  const field = (text, input) => el("label", { class: "field" }, el("span", {}, text), input);
  return el("form", { id: "merge", onsubmit: merge }, el("h3", {}, t("merge.title")), el("p", { class: "meaning" }, t("merge.help")),
    el("div", { class: "row" }, some.map((one, place) => field(t("merge.weight", { name: one.name || one.id }), weights[place]))),
    el("div", { class: "row" }, field(t("merge.method"), method), field(t("merge.name"), name), start), help, wrong);
}
