// Light or dark as chosen in Airflow, which keeps the choice under this name; else as the system has it.
const theme = localStorage.getItem("theme");
if (theme === "light" || theme === "dark") document.documentElement.style.colorScheme = theme;
