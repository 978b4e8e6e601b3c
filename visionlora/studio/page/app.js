// Starts the page.

import { $, LANGUAGES, el, guarded, loadTexts, say } from "./tools.js";
import { drawDropZones, project, setUpImages, show, start } from "./images.js";
import { drawChoices, loadNetworks, setUpTraining } from "./train.js";
import { refresh, setUpWatch, watch } from "./watch.js";
import { drawTryZone, setUpTry } from "./try.js";
import { drawAnswers, refreshAdapters } from "./keep.js";

async function speak(language) {
  localStorage.setItem("language", language);
  await loadTexts(language);
  drawDropZones();
  drawTryZone();
  drawChoices();
  if (project.now) {
    show(project.now);
    await Promise.all([loadNetworks(), refreshAdapters(), refresh()]);
  }
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}

async function main() {
  if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");
  const known = localStorage.getItem("language") ?? navigator.language.slice(0, 2);
  const language = known in LANGUAGES ? known : "en";
  $("language").replaceChildren(...Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, selected: code === language, lang: code }, name)));
  $("language").onchange = guarded(() => speak($("language").value));
  $("theme").onclick = theme;
  setUpImages(() => {
    const any = project.now.images.some((image) => image.role === "class");
    $("start").disabled = !any;
    $("train-nothing").hidden = any;
  });
  await setUpTraining(watch);
  setUpWatch((id) => refreshAdapters(id).catch((error) => say(error.message)));
  setUpTry(drawAnswers);
  await speak(language);
  await start();
  await Promise.all([loadNetworks(), refreshAdapters(), refresh()]);
  document.body.dataset.ready = "true";
}

main().catch((error) => say(error.message));
