// What HTML and htmx cannot: finding in long lists, and telling assistive technology of messages that came later.
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function find(event) {
  const { target } = event;
  if (!target.matches("[type=search][data-list]")) return;
  event.stopPropagation(); // it is no field of the form
  const labels = [...document.querySelectorAll(`#${target.dataset.list} label`)];
  for (const label of labels) label.hidden = !plain(label.textContent).includes(plain(target.value.trim()));
  const found = labels.filter((label) => !label.hidden).length;
  target.nextElementSibling.textContent = target.value ? `${found} found` : "";
}
document.addEventListener("input", find, true);
document.addEventListener("change", find, true);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-list]")) event.preventDefault();
});

document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
  if (!target.matches(".error")) return;
  const field = document.querySelector(`:is(input, select, textarea)[aria-describedby~="${target.id}"]`);
  field?.setAttribute("aria-invalid", target.textContent !== "");
});
