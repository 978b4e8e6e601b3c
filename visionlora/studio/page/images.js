// The project's images: add, look, check, remove.

import { $, ask, confirmed, counted, dropZone, el, guarded, keepingFocus, say, t } from "./tools.js";

const BATCH_FILES = 100;
const BATCH_BYTES = 64 * 2 ** 20;
const GROUPS = 24; // of a finding; when some are gone, another check shows the next ones
const SHOWN = 60; // images of a class, until all are asked for

export const project = { now: null, outputs: [] };

let changed = () => {};

export function setUpImages(onChange) {
  changed = onChange;
  $("new-project").onclick = guarded(async () => {
    const name = await confirmed(t("project.ask"), "");
    if (name !== null) await open((await ask("POST", "/api/projects", { name })).id);
  });
  $("delete-project").onclick = guarded(async () => {
    if (!(await confirmed(t("project.delete.ask")))) return;
    await ask("DELETE", `/api/projects/${project.now.id}`);
    await start();
  });
  $("project").onchange = guarded(() => open($("project").value));
  $("class-name").oninput = () => ($("class-meaning").textContent = meaning($("class-name").value));
  $("add-class").onsubmit = guarded(async (event) => {
    event.preventDefault();
    show(await ask("PATCH", url(), { add: $("class-name").value }));
    $("class-name").value = $("class-meaning").textContent = "";
  });
  $("check").onclick = guarded(check);
}

/** Texts that the page makes itself, again in the language chosen. */
export function drawDropZones() {
  dropZone($("all-drop"), t("drop.all"), (files) => add(files, "class", $("class-name").value.trim()));
  dropZone($("keep-drop"), t("drop.keep"), (files) => add(files, "keep", ""));
  dropZone($("others-drop"), t("drop.others"), (files) => add(files, "others", ""));
}

export async function start() {
  const projects = await ask("GET", "/api/projects");
  const wanted = localStorage.getItem("project");
  const known = projects.find((one) => one.id === wanted) ?? projects[0];
  await open(known ? known.id : (await ask("POST", "/api/projects", { name: "" })).id);
}

async function open(id) {
  localStorage.setItem("project", id);
  // Both first: what is dropped meanwhile goes to the project that is still shown.
  const [projects, found] = await Promise.all([ask("GET", "/api/projects"), ask("GET", `/api/projects/${id}`)]);
  $("project").replaceChildren(
    ...projects.map((one) =>
      el("option", { value: one.id, selected: one.id === id }, titled(one.name, one.count))),
  );
  $("findings").replaceChildren();
  show(found);
}

const titled = (name, count) => `${name || t("project.unnamed")} · ${counted("images.count", count)}`;

export function setOutputs(outputs) {
  project.outputs = outputs;
  $("outputs").replaceChildren(...outputs.map((one) => el("option", { value: one.name }, one.definition)));
  if (project.now) show(project.now);
}

const url = () => `/api/projects/${project.now.id}`;
const plain = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

/** What a class name means to the network. */
function meaning(name) {
  if (!name.trim()) return "";
  const found = project.outputs.find((one) => plain(one.name) === plain(name) || one.wnid === name);
  if (!found) return t("class.new", { name });
  const wnid = found.wnid ? ` (${found.wnid})` : "";
  const instead = found.instead_of ? ` ${t("class.instead", { what: found.instead_of })}` : "";
  return `${t("class.means", { name: found.name })}${wnid}: ${found.definition}.${instead}`;
}

export function show(found) {
  project.now = found;
  const entry = $("project").selectedOptions[0];
  if (entry) entry.textContent = titled(found.name, found.images.length);
  const count = (role) => found.images.filter((image) => image.role === role);
  keepingFocus($("images"), () => {
    $("classes").replaceChildren(...found.classes.map(classCard));
    for (const role of ["keep", "others"]) $(`${role}-images`).replaceChildren(...[thumbs(count(role))].flat());
  });
  changed();
}

function classCard(name) {
  const images = project.now.images.filter((image) => image.role === "class" && image.label === name);
  const drop = el("div", { class: "drop" });
  dropZone(drop, t("drop.class", { name }), (files) => add(files, "class", name));
  return el("div", { class: "class" },
    el("div", { class: "row" },
      el("h3", {}, el("bdi", {}, name), ` · ${counted("images.count", images.length)}`),
      el("button", { type: "button", class: "quiet", "aria-label": t("class.rename.of", { name }), onclick: guarded(async () => {
        const to = await confirmed(t("class.rename.ask", { name }), name);
        if (to) show(await ask("PATCH", url(), { class: name, to }));
      }) }, t("class.rename")),
      el("button", { type: "button", class: "quiet", "aria-label": t("class.remove.of", { name }), onclick: guarded(async () => {
        if (await confirmed(t("class.remove.ask", { name }))) show(await ask("PATCH", url(), { class: name, to: "" }));
      }) }, t("class.remove"))),
    el("p", { class: "meaning" }, meaning(name)),
    drop,
    thumbs(images));
}

const unfolded = new Set();

/** Images; of many, the first ones and a button for the others. */
function thumbs(images) {
  const key = images.length ? `${project.now.id}/${images[0].role}/${images[0].label}` : "";
  const shown = unfolded.has(key) ? images : images.slice(0, SHOWN);
  const box = el("div", { class: "thumbs" }, shown.map((image) => thumb(image)));
  if (shown.length === images.length) return box;
  return [box, el("button", { type: "button", onclick: () => { unfolded.add(key); show(project.now); } }, counted("images.all", images.length))];
}

function thumb(image, remark) {
  const shown = el("img", { src: `${url()}/images/${image.id}`, alt: image.name, title: image.name, loading: "lazy" });
  shown.onerror = () => shown.replaceWith(el("div", { class: "broken" }, t("image.broken", { name: image.name })));
  const remove = el("button", { type: "button", title: t("image.remove"), "aria-label": t("image.remove.of", { name: image.name }),
    onclick: guarded(async () => {
      const found = await ask("POST", `${url()}/remove`, { images: [image.id] });
      keepingFocus($("images"), () => { show(found); forget(image.id); });
    }) }, "×");
  const box = el("figure", { class: "thumb" }, shown, remove);
  return remark === undefined ? box : el("figure", { "data-image": image.id }, box, el("figcaption", {}, remark));
}

/** Takes an image out of the findings, and with it those that have nothing more to show. */
function forget(id) {
  for (const one of document.querySelectorAll(`#findings [data-image="${CSS.escape(id)}"]`)) {
    const group = one.closest(".group");
    one.remove();
    if (group.children.length < Number(group.dataset.least)) group.remove();
  }
  for (const one of document.querySelectorAll("#findings .finding[data-groups]")) if (!one.querySelector(".group")) one.remove();
  countFindings($("findings").children.length);
}

const countFindings = (n) => ($("check-state").textContent = n ? counted("check.found", n) : t("check.nothing"));

const SPLIT = /^(train|training|val|valid|validation|dev|test|testing)([ _-]?(set|data|images?))?$/i;

/** The class of each path: the first folder that not all of them are in, but for train, val and test. */
export function classesOf(paths) {
  const folders = paths.map((path) => path.split("/").slice(0, -1));
  let shared = 0;
  while (folders.length && folders.every((some) => some.length > shared + 1 && some[shared] === folders[0][shared])) shared++;
  return folders.map((some) => some.slice(shared).find((name, place, rest) => !SPLIT.test(name) || place === rest.length - 1) ?? "");
}

const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|xz|bz2))$/i;

/** Sends files in batches; their folders say their classes, unless one is given. */
async function add(files, role, given) {
  const batches = new Map();
  const classes = classesOf(files.map(({ path }) => path));
  for (const [place, { file, path }] of files.entries()) {
    const archive = ARCHIVE.test(path);
    const label = role !== "class" ? "" : given || (archive ? "" : classes[place]);
    if (role === "class" && !label && !archive) return say(t("class.missing"));
    if (!batches.has(label)) batches.set(label, []);
    batches.get(label).push({ file, path });
  }
  let added = 0;
  const leftOut = [];
  for (const [label, all] of batches)
    for (const batch of cut(all)) {
      const form = new FormData();
      form.append("role", role);
      form.append("label", label);
      for (const { file, path } of batch) form.append("files", file, path); // as text: system files are known by it
      say(t("upload.going", { n: added, all: files.length }));
      try {
        const answer = await ask("POST", `${url()}/images`, form);
        added += answer.added;
        leftOut.push(...answer.left_out);
      } catch (error) {
        leftOut.push(...batch.map(({ file }) => [file.name, error.message]));
      }
    }
  show(await ask("GET", url()));
  const some = leftOut.slice(0, 5).map(([name, reason]) => (reason.startsWith(name) ? reason : `${name}: ${reason}`));
  say([counted("upload.done", added), leftOut.length && counted("upload.left", leftOut.length), ...some].filter(Boolean).join("\n"));
}

/** Batches of files; an archive is one by itself, so that a damaged one keeps no image out. */
function* cut(files) {
  let batch = [], bytes = 0;
  for (const one of files) {
    if (ARCHIVE.test(one.path)) {
      yield [one];
      continue;
    }
    if (batch.length && (batch.length >= BATCH_FILES || bytes + one.file.size > BATCH_BYTES)) {
      yield batch;
      batch = [], bytes = 0;
    }
    batch.push(one);
    bytes += one.file.size;
  }
  if (batch.length) yield batch;
}

async function check() {
  $("check").disabled = true;
  $("check-state").textContent = t("check.going");
  try {
    const report = await ask("POST", `${url()}/check`, { network: $("network").value });
    $("findings").replaceChildren(...report.findings.map(finding));
    countFindings(report.findings.length);
  } catch (error) {
    $("check-state").textContent = "";
    throw error;
  } finally {
    $("check").disabled = false;
  }
}

function finding(one) {
  const byId = new Map(project.now.images.map((image) => [image.id, image]));
  const groups = one.groups.slice(0, GROUPS).map((group) =>
    el("div", { class: "group", "data-least": Math.min(2, group.length) }, group.filter((image) => byId.has(image.id)).map((image) =>
      thumb(byId.get(image.id), [image.label || t(`role.${image.role}`), image.remark].filter(Boolean).join(": ")))));
  return el("div", { class: `finding ${one.severity}`, "data-groups": groups.length > 0 },
    el("h3", {}, `${t(`check.${one.severity}`)}: ${one.title}`),
    one.advice && el("p", {}, one.advice),
    one.lines.length && !groups.length ? el("ul", {}, one.lines.slice(0, 24).map((line) => el("li", {}, line))) : null,
    groups,
    one.groups.length > GROUPS && el("p", { class: "meaning" }, t("check.more", { n: one.groups.length - GROUPS })));
}
