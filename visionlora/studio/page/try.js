// Own images against the frozen and the adapted network.

import { $, ask, dropZone, el, guarded, percent, t } from "./tools.js";

const TOP = 5;
const state = { image: null, asked: "", answer: null, exact: null };
let changed = () => {};

export function setUpTry(onImage) {
  changed = onImage;
  $("adapter").onchange = guarded(showLogits);
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
  const shown = $("adapter").value, kept = wanted ?? shown;
  $("adapter").replaceChildren(...adapters.map((one) => el("option", { value: one.id }, `${one.name || one.id} · ${one.network}`)));
  $("try-nothing").hidden = adapters.length > 0;
  $("adapter").parentElement.hidden = !adapters.length;
  if (adapters.some((one) => one.id === kept)) $("adapter").value = kept;
  if ($("adapter").value !== shown) guarded(showLogits)(); // an image may have been given before there was an adapter
}

async function take(file) {
  $("try-error").textContent = "";
  const form = new FormData();
  form.append("file", file, "image");
  state.image = (await ask("POST", "/api/tried", form)).id;
  $("try-image").src = URL.createObjectURL(file);
  changed();
  await showLogits();
}

async function showLogits() {
  if (!state.image || !$("adapter").value) return;
  $("heat").replaceChildren();
  const asked = (state.asked = `/api/adapters/${$("adapter").value}/logits/${state.image}`);
  try {
    const answer = await ask("GET", asked);
    if (asked !== state.asked) return; // another adapter or image was chosen meanwhile
    state.answer = answer;
  } catch (error) {
    if (asked !== state.asked) return;
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

/** The first three answers of an adapter to the image that is tried; null where there is no image. */
export async function answerOf(adapter) {
  if (!state.image) return null;
  const { names, logits } = await ask("GET", `/api/adapters/${adapter}/logits/${state.image}?strength=1`);
  return best(Object.values(logits)[0], names).slice(0, 3);
}

function best(logits, names = state.answer.names) {
  const known = logits.map((value, place) => [value, place]).filter(([value]) => value != null);
  const most = Math.max(...known.map(([value]) => value));
  const whole = known.reduce((sum, [value]) => sum + Math.exp(value - most), 0);
  return known.sort((a, b) => b[0] - a[0]).slice(0, TOP).map(([value, place]) => [names[place], Math.exp(value - most) / whole]);
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
  $("strength-note").textContent = state.exact?.strength === strength
    ? t("try.exact", { strength: strength.toFixed(2), off: state.exact.off.toFixed(2) })
    : t("try.estimated", { strength: strength.toFixed(2) });
}

/** The slider rests: what the network really says at this strength. */
async function rest() {
  if (!state.answer) return;
  const strength = Number($("strength").value), asked = state.asked;
  const { logits } = await ask("GET", `${asked}?strength=${strength}`);
  if (asked !== state.asked || Number($("strength").value) !== strength) return;
  const [exact] = Object.values(logits), estimated = between(strength);
  const off = Math.max(0, ...exact.map((value, place) => (value == null || estimated[place] == null ? 0 : Math.abs(value - estimated[place]))));
  state.exact = { strength, logits: exact, off };
  draw(strength);
}

async function explain() {
  const answers = await ask("GET", `/api/adapters/${$("adapter").value}/explain/${state.image}`);
  $("heat").replaceChildren(...["before", "now"].filter((when) => answers[when]).map((when) =>
    el("figure", {}, el("img", { src: answers[when].image, alt: t("try.heat", { name: answers[when].name }) }),
      el("figcaption", {}, `${t(`try.${when}`)}: ${answers[when].name}`))));
}

async function camera() {
  if (!navigator.mediaDevices) throw new Error(t("try.camera.none")); // on plain http beyond this machine
  stop();
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  $("video").srcObject = stream;
  $("video").hidden = false;
  await $("video").play();
  $("shoot").hidden = false; // before its first frame the video has no size, and no picture can be taken
}

function stop() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
}

async function shoot() {
  const video = $("video"), canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  stop();
  video.hidden = $("shoot").hidden = true;
  await take(await new Promise((done) => canvas.toBlob(done, "image/png")));
}
