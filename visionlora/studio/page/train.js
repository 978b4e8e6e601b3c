// Three choices and one button; every other option folded away.

import { $, ask, el, guarded, t } from "./tools.js";
import { project, setOutputs } from "./images.js";

const KEEP = ["everything", "most", "nothing"];
const LONG = ["normal", "quick", "thorough"];
let networks = [];
let settings = [];

export async function setUpTraining(onStart) {
  $("network").onchange = guarded(chooseNetwork);
  $("settings-filter").oninput = filter;
  $("all-settings").ontoggle = guarded(async () => {
    if (!settings.length) {
      settings = await ask("GET", "/api/settings");
      drawSettings();
    }
  });
  $("train-form").onsubmit = async (event) => {
    event.preventDefault();
    $("train-error").textContent = "";
    $("start").disabled = true;
    try {
      const { id } = await ask("POST", `/api/projects/${project.now.id}/train`, {
        keep: chosen("keep"), long: chosen("long"), network: $("network").value, name: project.now.name, options: changedOptions(),
      });
      onStart(id);
    } catch (error) {
      $("train-error").textContent = error.message;
    } finally {
      $("start").disabled = false;
    }
  };
}

export function drawChoices() {
  const draw = (place, name, values) =>
    $(place).replaceChildren(...values.map((value, place) =>
      el("label", {}, el("input", { type: "radio", name, value, checked: place === 0 }),
        el("span", {}, t(`train.${name}.${value}`), el("small", {}, t(`train.${name}.${value}.help`))))));
  draw("keep-choices", "keep", KEEP);
  draw("long-choices", "long", LONG);
}

export async function loadNetworks() {
  networks = await ask("GET", "/api/networks");
  const option = (one) => el("option", { value: one.name }, one.name + (one.here ? "" : ` (${t("network.download", { mb: one.mb })})`));
  const kept = $("network").value || "pocket";
  $("network").replaceChildren(...networks.map(option));
  $("network").value = kept;
  await chooseNetwork();
}

async function chooseNetwork() {
  const name = $("network").value;
  const one = networks.find((network) => network.name === name);
  const notes = [name === "pocket" && t("network.pocket"), one && !one.here && t("network.far", { mb: one.mb })];
  $("network-note").textContent = notes.filter(Boolean).join(" ");
  setOutputs(await ask("GET", `/api/networks/${encodeURIComponent(name)}/outputs`));
}

const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

function drawSettings() {
  const row = (key) => el("div", { class: "setting", "data-name": `${key.name} ${key.help}`.toLowerCase() },
    el("label", { for: `set-${key.name}` }, el("code", {}, key.name)),
    el("input", { id: `set-${key.name}`, "data-key": key.name, placeholder: key.default, autocomplete: "off" }),
    el("p", {}, `${key.help} (${key.takes})`));
  $("settings").replaceChildren(...settings.map((group) =>
    el("details", {}, el("summary", {}, group.name), el("p", {}, group.help), group.keys.map(row))));
}

function filter() {
  const wanted = $("settings-filter").value.toLowerCase();
  for (const group of $("settings").children) {
    let any = false;
    for (const row of group.querySelectorAll(".setting")) {
      row.hidden = !row.dataset.name.includes(wanted);
      any ||= !row.hidden;
    }
    group.hidden = !any;
    group.open = Boolean(wanted) && any;
  }
}

const changedOptions = () =>
  [...document.querySelectorAll("[data-key]")].filter((one) => one.value.trim()).map((one) => `${one.dataset.key}=${one.value.trim()}`);
