// The queue, and one training as it goes.

import { $, ask, confirmed, counted, duration, el, guarded, percent, svg, t } from "./tools.js";

const EVERY_MS = 1000;
let chosen = null;
let finished = () => {};
let seen = new Map();

export function setUpWatch(onFinish) {
  finished = onFinish;
  $("job-cancel").onclick = guarded(async () => {
    if (await confirmed(t("job.cancel.ask"))) await ask("POST", `/api/jobs/${chosen}/cancel`);
    await refresh();
  });
  $("job-resume").onclick = guarded(async () => { await ask("POST", `/api/jobs/${chosen}/resume`); await refresh(); });
  $("tensorboard").onclick = guarded(async () => window.open((await ask("POST", "/api/tensorboard")).address, "_blank"));
  setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, EVERY_MS);
}

export async function watch(id) {
  chosen = id;
  await refresh();
  $("watch").scrollIntoView();
  $("watch").focus({ preventScroll: true });
}

export async function refresh() {
  const jobs = (await ask("GET", "/api/jobs")).reverse();
  if (!jobs.some((job) => job.id === chosen)) chosen = (jobs.find((job) => job.state === "running") ?? jobs[0])?.id ?? null;
  drawJobs(jobs);
  for (const job of jobs) {
    if (seen.get(job.id) === "running" && job.state !== "running") finished(job.id);
    seen.set(job.id, job.state);
  }
  $("job").hidden = chosen === null;
  if (chosen !== null) draw(await ask("GET", `/api/jobs/${chosen}`));
}

let drawn = "";
function drawJobs(jobs) {
  const now = JSON.stringify([chosen, document.documentElement.lang, jobs.map((job) => [job.id, job.name, job.state])]);
  if (now === drawn) return; // the keyboard's focus stays where it is
  drawn = now;
  $("jobs").replaceChildren(...(jobs.length ? jobs.slice(0, 12).map((job) =>
    el("button", { type: "button", "aria-pressed": String(job.id === chosen), onclick: guarded(() => { chosen = job.id; return refresh(); }) },
      el("bdi", {}, job.name || t("job.unnamed")), el("span", { class: `state ${job.state}` }, t(`state.${job.state}`))))
    : [el("p", { class: "meaning" }, t("watch.nothing"))]));
}

function draw(job) {
  const status = job.status ?? {};
  $("job-name").textContent = job.name || t("job.unnamed");
  $("job-state").textContent = t(`state.${job.state}`);
  $("job-state").className = `state ${job.state}`;
  $("job-error").textContent = job.error;
  $("job-cancel").hidden = !["running", "queued"].includes(job.state);
  $("job-resume").hidden = !job.resumable;
  $("job-report").hidden = job.state !== "finished";
  $("job-report").href = `/api/jobs/${job.id}/report`;
  $("job-log").href = `/api/jobs/${job.id}/log`;
  const running = job.state === "running";
  $("job-progress").hidden = !running;
  if (status.steps) $("job-progress").value = status.step / status.steps;
  else $("job-progress").removeAttribute("value");
  const left = status.seconds_left != null && status.phase === "steps" ? t("job.left", { time: duration(status.seconds_left) }) : "";
  const step = status.steps ? t("job.step", { step: status.step, steps: status.steps }) : "";
  $("job-phase").textContent = running ? [t(`phase.${status.phase ?? "setup"}`), step, left].filter(Boolean).join(" · ") : "";
  drawDials(job);
  drawLoss(status.loss ?? []);
  drawWall(job.id, status.images ?? []);
}

/** Wilson's interval at 95 %. */
function wilson(share, n) {
  const z = 1.96, middle = share + (z * z) / (2 * n), spread = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [(middle - spread) / (1 + (z * z) / n), (middle + spread) / (1 + (z * z) / n)];
}

function drawDials(job) {
  const last = job.status?.validations?.at(-1);
  const images = job.status?.images?.length;
  const figures = job.figures ?? {
    learned: last?.["val/top1"] != null && images ? { value: last["val/top1"], interval: wilson(last["val/top1"], images), images } : null,
    kept: last?.["val/agreement"] != null ? { value: last["val/agreement"], interval: null } : null,
    false_positives: null,
  };
  const none = t(["running", "queued"].includes(job.state) ? "dial.later" : "dial.none");
  $("dials").replaceChildren(
    ...["learned", "kept", "false_positives"].map((name) => dial(name, figures[name], none)));
}

/** One figure; its 95 % interval is the thick part of the arc. */
export function dial(name, figure, none) {
  const box = el("div", { class: "dial" }, el("small", {}, t(`dial.${name}`)));
  if (!figure) {
    box.append(el("b", {}, "–"), el("small", {}, none));
    return box;
  }
  const at = (share) => { const a = Math.PI * (1 - share); return [50 + 40 * Math.cos(a), 50 - 40 * Math.sin(a)]; };
  const arc = (from, to) => { const [a, b] = at(from), [c, d] = at(to); return `M ${a} ${b} A 40 40 0 0 1 ${c} ${d}`; };
  const label = figure.interval ? t("dial.interval", { low: percent(figure.interval[0]), high: percent(figure.interval[1]) }) : "";
  const drawing = svg("svg", { viewBox: "0 0 100 56", "aria-hidden": "true" },
    svg("path", { d: arc(0, 1), fill: "none", stroke: "var(--line)", "stroke-width": 6 }),
    svg("path", { d: arc(...(figure.interval ?? [0, figure.value])), fill: "none", stroke: "var(--accent)", "stroke-width": 9 }),
    svg("circle", { cx: at(figure.value)[0], cy: at(figure.value)[1], r: 5, fill: "var(--ink)" }));
  const note = [label, figure.images && counted("images.count", figure.images), figure.selected?.length && t("dial.selected")];
  box.append(drawing, el("b", {}, percent(figure.value)), ...note.filter(Boolean).map((line) => el("small", {}, line)));
  return box;
}

function drawLoss(points) {
  if (points.length < 2) return $("loss").replaceChildren(el("p", { class: "meaning" }, t("job.loss.none")));
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const most = Math.max(...points.map(([, loss]) => loss), 1e-6);
  const line = points.map(([step, loss]) => `${(100 * (step - first)) / (last - first || 1)},${38 - (36 * loss) / most}`).join(" ");
  $("loss").replaceChildren(svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img",
    "aria-label": t("job.loss.label", { from: points[0][1].toFixed(2), to: points.at(-1)[1].toFixed(2) }) },
    svg("polyline", { points: line, fill: "none", stroke: "var(--accent)", "stroke-width": 1.6, "vector-effect": "non-scaling-stroke" })));
}

let wall = "";
function drawWall(id, images) {
  const now = JSON.stringify([id, document.documentElement.lang, images]);
  if (now === wall) return;
  wall = now;
  const said = (image, when) => image[when] && el("span", { class: image[when][0] === image.class ? "right" : "wrong" },
    `${t(`wall.${when}`)}: ${image[when][0]} ${percent(image[when][1])} ${image[when][0] === image.class ? "✓" : "✗"}`);
  const wrong = (image) => Number(image.now && image.now[0] === image.class);
  $("wall").replaceChildren(...[...images].sort((a, b) => wrong(a) - wrong(b)).map((image) =>
    el("figure", {}, el("img", { src: `/api/jobs/${id}/images/${image.number}`, alt: image.class ?? "", loading: "lazy" }),
      el("figcaption", {}, el("b", {}, el("bdi", {}, image.class ?? "")), said(image, "before"), said(image, "now")))));
  if (!images.length) $("wall").append(el("p", { class: "meaning" }, t("wall.none")));
}
