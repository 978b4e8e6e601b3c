// Own images against the frozen and the adapted network.

import { $, ask, dropZone, el, guarded, percent, t } from "./tools.js";

const TOP = 5;
const state = { image: null, answer: null, exact: null };

export function setUpTry() {
  $("adapter").onchange = guarded(look);
  $("strength").oninput = () => draw(Number($("strength").value));
  $("strength").onchange = guarded(rest);
  $("explain").onclick = guarded(explain);
  $("camera").onclick = guarded(camera);
  $("shoot").onclick = guarded(shoot);
  document.addEventListener("paste", guarded(async (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (file) await take(file);
  }));
}

export function drawTryZone() {
  const label = t("try.drop");
  dropZone($("try-drop"), label, guarded((files) => files[0] && take(files[0].file)), { folders: false, archives: false });
}

export function setAdapters(adapters, wanted) {
  const kept = wanted ?? $("adapter").value;
  $("adapter").replaceChildren(...adapters.map((one) => el("option", { value: one.id }, `${one.name || one.id} · ${one.network}`)));
  if (adapters.some((one) => one.id === kept)) $("adapter").value = kept;
}

async function take(file) {
  $("try-error").textContent = "";
  const form = new FormData();
  form.append("file", file, "image");
  state.image = (await ask("POST", "/api/tried", form)).id;
  $("try-image").src = URL.createObjectURL(file);
  await look();
}

async function look() {
  if (!state.image || !$("adapter").value) return;
  $("heat").replaceChildren();
  try {
    state.answer = await ask("GET", `/api/adapters/${$("adapter").value}/look/${state.image}`);
  } catch (error) {
    $("tried").hidden = true;
    $("try-error").textContent = error.message;
    return;
  }
  state.exact = null;
  $("tried").hidden = false;
  draw(Number($("strength").value));
  await rest();
}

/** Logits at a strength, on the line through those at 0 and 1; a new output is there once the adapter is. */
function between(strength) {
  const { "0": before, "1": now } = state.answer.logits;
  return now.map((value, place) => (before[place] == null ? (strength > 0 ? value : null) : before[place] + strength * (value - before[place])));
}

function best(logits) {
  const known = logits.map((value, place) => [value, place]).filter(([value]) => value != null);
  const most = Math.max(...known.map(([value]) => value));
  const whole = known.reduce((sum, [value]) => sum + Math.exp(value - most), 0);
  return known.sort((a, b) => b[0] - a[0]).slice(0, TOP).map(([value, place]) => [state.answer.names[place], Math.exp(value - most) / whole]);
}

function list(place, logits) {
  const trained = new Set(state.answer.classes);
  $(place).replaceChildren(...best(logits).map(([name, share]) =>
    el("li", { class: trained.has(name) ? "trained" : "" }, el("bdi", {}, name), ` ${percent(share)}`,
      el("meter", { min: 0, max: 1, value: share, "aria-label": `${name} ${percent(share)}` }))));
}

function draw(strength) {
  if (!state.answer) return;
  const before = state.answer.logits["0"];
  if (before.some((value) => value != null)) list("says-before", before);
  else $("says-before").replaceChildren(el("li", {}, t("try.no.before")));
  list("says-now", state.exact?.strength === strength ? state.exact.logits : between(strength));
  $("strength-note").textContent = t(state.exact?.strength === strength ? "try.exact" : "try.estimated", { strength: strength.toFixed(2) });
}

/** The slider rests: what the network really says at this strength. */
async function rest() {
  if (!state.answer) return;
  const strength = Number($("strength").value);
  const { logits } = await ask("GET", `/api/adapters/${$("adapter").value}/look/${state.image}?strength=${strength}`);
  state.exact = { strength, logits: Object.values(logits)[0] };
  if (Number($("strength").value) === strength) draw(strength);
}

async function explain() {
  const answers = await ask("GET", `/api/adapters/${$("adapter").value}/explain/${state.image}`);
  $("heat").replaceChildren(...["before", "now"].filter((when) => answers[when]).map((when) =>
    el("figure", {}, el("img", { src: answers[when].image, alt: t("try.heat", { name: answers[when].name }) }),
      el("figcaption", {}, `${t(`try.${when}`)}: ${answers[when].name}`))));
}

async function camera() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  $("video").srcObject = stream;
  $("video").hidden = $("shoot").hidden = false;
  await $("video").play();
}

async function shoot() {
  const video = $("video"), canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  for (const track of video.srcObject.getTracks()) track.stop();
  video.hidden = $("shoot").hidden = true;
  await take(await new Promise((done) => canvas.toBlob(done, "image/png")));
}
