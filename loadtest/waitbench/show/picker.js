(() => {
  const data = JSON.parse(document.getElementById("picker-data").textContent);
  const form = document.getElementById("picker"), picked = document.getElementById("picked");
  const say = () => {
    const said = data.said[data.axes.map((axis) => form.elements[axis].value).join(" ")];
    picked.replaceChildren();
    for (const sentence of said || ["This combination was not measured."]) {
      const line = document.createElement("p");
      line.textContent = sentence;
      picked.append(line);
    }
  };
  const first = Object.keys(data.said)[0].split(" ");
  data.axes.forEach((axis, place) => { form.elements[axis].value = first[place]; });
  form.addEventListener("change", say);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  say();
})();
