"use strict";
// Pages work without this file. It keeps polled parts from disturbing people.

const announcer = () => document.getElementById("announcer");
const said = new Map();

function announce(key, words, first) {
  if (said.get(key) === words) return;
  said.set(key, words);
  if (!first) announcer().textContent = words;
}

function listen(root, first) {
  for (const element of root.querySelectorAll("[data-announce]")) {
    const { announce: key, prefix } = element.dataset;
    announce(key, [prefix, element.textContent.trim()].filter(Boolean).join(": "), first);
  }
}

// The station: only tiles that changed are touched, so that a button that is half pressed or has the focus stays.
function mergeTiles(station, text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("station");
  if (!fresh) return;
  const names = (root) => [...root.querySelectorAll("[data-key]")].map((part) => part.id).join(" ");
  if (names(station) !== names(fresh)) {
    station.replaceChildren(...fresh.children);
    return;
  }
  for (const part of fresh.querySelectorAll("[data-key]")) {
    const old = document.getElementById(part.id);
    if (old.dataset.key === part.dataset.key) continue;
    part.classList.add("fresh");
    old.replaceWith(part);
  }
}

let lastAnswer = "";

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target, pathInfo } = event.detail;
  const asked = new URL(pathInfo.requestPath, location.href).pathname;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
    event.detail.shouldSwap = false; // sent elsewhere: the session has ended
    location.reload();
  } else if (target.id === "station" && xhr.status === 200) {
    event.detail.shouldSwap = false;
    mergeTiles(target, xhr.responseText);
    listen(target, false);
  } else if (target.hasAttribute("hx-trigger") && lastAnswer === xhr.responseText) {
    event.detail.shouldSwap = false; // nothing new: leave selections and the focus alone
  } else if (target.hasAttribute("hx-trigger")) {
    lastAnswer = xhr.responseText;
  }
});

// A log that is read at its end stays there; one that is read elsewhere stands still.
const log = () => document.getElementById("log");
let atEnd = false;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id === "log-tail") atEnd = log().scrollHeight - log().scrollTop - log().clientHeight < 4;
});
document.addEventListener("htmx:afterSwap", () => {
  if (atEnd) log().scrollTop = log().scrollHeight;
  atEnd = false;
});

document.addEventListener("htmx:afterSettle", () => listen(document, false));

const offline = (away) => { document.getElementById("offline").hidden = !away; };
document.addEventListener("htmx:sendError", () => offline(true));
document.addEventListener("htmx:responseError", () => offline(true));
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) offline(false); });

// Enter in a field saves a configuration; only in the picker of contents it searches.
function setUpEnter(form) {
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT" || event.isComposing) return;
    event.preventDefault();
    const picker = event.target.closest("#picker");
    if (picker) document.getElementById("pick-search").click();
    else form.requestSubmit(form.querySelector(".actions button"));
  });
}

// The menu closes like menus do.
function setUpMenu(menu) {
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

document.addEventListener("DOMContentLoaded", () => {
  listen(document, true);
  for (const chart of document.querySelectorAll("[data-newest-last]")) chart.scrollLeft = chart.scrollWidth;
  if (log()) log().scrollTop = log().scrollHeight;
  document.querySelectorAll("form#configuration").forEach(setUpEnter);
  document.querySelectorAll("details.menu").forEach(setUpMenu);
});
