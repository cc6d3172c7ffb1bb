"use strict";
// What Django's choosers lack for readers: a role for their help, and the name of the field.

function nameChooser(select) {
  const label = select.labels[0];
  const box = select.nextElementSibling?.querySelector(".select2-selection");
  if (!label || !box) return;
  label.id ||= `${select.id}_label`;
  if (select.multiple) {
    for (const part of [box, box.querySelector(".select2-search__field")]) part?.setAttribute("aria-labelledby", label.id);
    return;
  }
  const value = box.querySelector(".select2-selection__rendered");
  for (const wrong of ["role", "aria-readonly"]) value.removeAttribute(wrong);
  box.setAttribute("aria-labelledby", `${label.id} ${value.id}`);
}

window.addEventListener("load", () => {
  // Choosers are made when jQuery is ready, which may come later; whoever asks last is called last.
  window.django?.jQuery(() => document.querySelectorAll("select.admin-autocomplete").forEach(nameChooser));
  for (const help of document.querySelectorAll(".help-tooltip[aria-label]")) help.setAttribute("role", "img");
});
