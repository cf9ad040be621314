// Every text of the page, in the language of the browser. What the server says comes in the user's language already.

const TEXTS = {
  signIn: ["Sign in", "Logg inn"],
  signOut: ["Sign out", "Logg ut"],
  name: ["E-mail or username", "E-post eller brukernavn"],
  password: ["Password", "Passord"],
  about: [
    "Open this page in two windows: what you do in one appears in the other.",
    "Åpne denne siden i to vinduer: det du gjør i det ene, vises i det andre.",
  ],
  tasks: ["Tasks", "Oppgaver"],
  room: ["Room", "Rom"],
  allTasks: ["All my tasks", "Alle oppgavene mine"],
  newTask: ["New task", "Ny oppgave"],
  add: ["Add", "Legg til"],
  noTasks: ["No tasks yet.", "Ingen oppgaver ennå."],
  more: ["The newest {shown} of {count} tasks are shown.", "De nyeste {shown} av {count} oppgaver vises."],
  here: ["Here now", "Her nå"],
  you: ["{name} (you)", "{name} (deg)"],
  others: ["and {count} more", "og {count} til"],
  feed: ["What happens", "Det som skjer"],
  quiet: ["Nothing has happened since you came.", "Ingenting har skjedd siden du kom."],
  done: ["Completed: {title}", "Fullført: {title}"],
  titleOf: ["Title of “{title}”", "Tittel på «{title}»"],
  connecting: ["Connecting …", "Kobler til …"],
  live: ["Live", "Direkte"],
  waiting: ["Connection lost", "Mistet forbindelsen"],
  close: ["Close", "Lukk"],
  unreachable: ["The server cannot be reached.", "Serveren kan ikke nås."],
  reloaded: ["You have been away: everything is loaded again.", "Du har vært borte: alt lastes på nytt."],
  changedMeanwhile: [
    "Somebody else changed “{title}” at the same time. This is their version.",
    "Noen andre endret «{title}» samtidig. Dette er deres versjon.",
  ],
  somebody: ["Somebody", "Noen"],
  // The feed: who did what.
  youDid: ["You", "Du"],
  task_created: ["{who} created “{title}”", "{who} opprettet «{title}»"],
  task_updated: ["{who} changed “{title}”", "{who} endret «{title}»"],
  task_completed: ["{who} completed “{title}”", "{who} fullførte «{title}»"],
  task_reopened: ["{who} opened “{title}” again", "{who} åpnet «{title}» igjen"],
  task_renamed: ["{who} renamed “{before}” to “{title}”", "{who} omdøpte «{before}» til «{title}»"],
  task_deleted: ["{who} deleted “{title}”", "{who} slettet «{title}»"],
  access_ended: ["“{title}” is no longer shared with you", "«{title}» er ikke lenger delt med deg"],
  tasks_bulk_updated: ["{who} changed {count} of the tasks", "{who} endret {count} av oppgavene"],
  tasks_bulk_deleted: ["{who} deleted {count} of the tasks", "{who} slettet {count} av oppgavene"],
  tasks_access_ended: ["No longer shared with you: {count} of the tasks", "Ikke lenger delt med deg: {count} av oppgavene"],
  project_created: ["{who} created the project “{title}”", "{who} opprettet prosjektet «{title}»"],
  project_updated: ["{who} changed the project “{title}”", "{who} endret prosjektet «{title}»"],
  project_deleted: ["{who} deleted a project", "{who} slettet et prosjekt"],
  project_member_added: ["{who} added a member to a project", "{who} la til et medlem i et prosjekt"],
  project_member_removed: ["{who} removed a member from a project", "{who} fjernet et medlem fra et prosjekt"],
  user_joined: ["{who} came in", "{who} kom inn"],
  user_left: ["{who} left", "{who} gikk"],
};

export const language = /^(nb|nn|no)\b/.test(navigator.language) ? "nb" : "en";

/** Return a text with `values` in the place of `{name}`. */
export function text(name, values = {}) {
  const template = TEXTS[name][language === "nb" ? 1 : 0];
  return template.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** Fill every element of the page that names its text. */
export function fillPage() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = text(element.dataset.placeholder);
}
