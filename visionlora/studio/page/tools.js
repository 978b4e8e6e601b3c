// Elements, texts and requests: what every part of the page uses.

let texts = {};

export const LANGUAGES = { en: "English", zh: "中文" };

export async function loadTexts(language) {
  texts = await (await fetch(`/page/texts/${language}.json`)).json();
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = t(one.dataset.text);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
}

/** The text of that key, with {name} replaced by values. */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** So many of something: texts have a form for one, KEY.one, where the language has it. */
export function counted(key, n) {
  return t(n === 1 && texts[`${key}.one`] ? `${key}.one` : key, { n });
}

/** An element; names and file names from outside only ever become text. */
export function el(tag, attributes = {}, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) one.addEventListener(name.slice(2), value);
    else if (value === true) one.setAttribute(name, "");
    else if (value !== false && value != null) one.setAttribute(name, value);
  }
  one.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return one;
}

export function svg(tag, attributes = {}, ...children) {
  const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...children);
  return one;
}

export const $ = (id) => document.getElementById(id);

/** Draws a part of the page; the keyboard's focus stays where it was, or on what has taken that place. */
export function keepingFocus(part, draw) {
  const places = () => [...part.querySelectorAll("button, input, select, summary")].filter((one) => one.offsetParent);
  const place = places().indexOf(document.activeElement);
  draw();
  const now = places();
  if (place >= 0 && document.activeElement === document.body) now[Math.min(place, now.length - 1)]?.focus({ preventScroll: true });
}

let waiting;
export function say(message) {
  $("toast").textContent = message;
  clearTimeout(waiting);
  waiting = setTimeout(() => ($("toast").textContent = ""), 4000 + 60 * message.length);
}

/** What the studio answers; an Error with its sentence where it refuses. */
export async function ask(method, path, body) {
  const options = { method };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(t("error.gone"));
  }
  const json = (answer.headers.get("content-type") ?? "").includes("json");
  const content = json ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Error(json ? content.error : content || t("error.unknown", { code: answer.status }));
  return content;
}

/** Runs a handler and shows what goes wrong. */
export function guarded(action) {
  return async (event) => {
    try {
      await action(event);
    } catch (error) {
      say(error.message);
    }
  };
}

/** Asks for a yes, or for a name where one is given; null: no. */
export function confirmed(message, name) {
  const dialog = $("dialog");
  $("dialog-text").textContent = message;
  $("dialog-field").hidden = name === undefined;
  $("dialog-input").value = name ?? "";
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => resolve(dialog.returnValue !== "yes" ? null : name === undefined ? true : $("dialog-input").value),
      { once: true },
    );
  });
}

export const percent = (value) => `${Math.round(value * 100)} %`;

export function duration(seconds) {
  if (seconds == null) return "";
  if (seconds < 90) return t("time.seconds", { n: Math.max(1, Math.round(seconds)) });
  return t("time.minutes", { n: Math.round(seconds / 60) });
}

/** A place to drop files, with buttons for those who have no mouse. */
export function dropZone(place, label, take, { folders = true, archives = true } = {}) {
  const accept = "image/*,.heic,.avif,.jp2" + (archives ? ",.zip,.tar,.tgz,.gz,.xz,.bz2" : "");
  const files = el("input", { type: "file", multiple: true, accept, hidden: true, onchange: chosen });
  const folder = el("input", { type: "file", webkitdirectory: true, hidden: true, onchange: chosen });
  function chosen(event) {
    take([...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
    event.target.value = "";
  }
  place.replaceChildren(
    el("div", {}, label),
    el("button", { type: "button", onclick: () => files.click() }, t("drop.files")),
    ...(folders ? [el("button", { type: "button", onclick: () => folder.click() }, t("drop.folder"))] : []),
    files, folder,
  );
  place.ondragenter = place.ondragover = (event) => { event.preventDefault(); place.classList.add("over"); };
  place.ondragleave = () => place.classList.remove("over");
  place.ondrop = async (event) => {
    event.preventDefault();
    place.classList.remove("over");
    take(await dropped(event.dataTransfer));
  };
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, above, found) {
  const path = above + entry.name;
  if (entry.isFile) {
    found.push({ file: await new Promise((yes, no) => entry.file(yes, no)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!some.length) return;
    for (const one of some) await walk(one, `${path}/`, found);
  }
}
