// The page: tasks of a room, who is there, and what happens. It shows the way for any client:
//
//   1. load the list, and keep its X-Event-Cursor;
//   2. follow the room from that event on: nothing lies between the two;
//   3. apply events as they come. Each carries the whole object and its version, so that what is older than what is
//      shown, or came twice, changes nothing;
//   4. when the server says `resync_required`, leave the room and go back to 1.

import { Feed } from "/live/assets/feed.js";
import { APIError, Session, Unreachable } from "/live/assets/session.js";
import { fillPage, language, text } from "/live/assets/texts.js";

const MOST_TASKS = 100;
const MOST_FEED_LINES = 50;
const TOAST_SECONDS = 8;
// Large rooms do not tell who comes and goes.
const MEMBERS_SECONDS = 20;
const ARRIVAL_SECONDS = 0.5;
const RETRY_SECONDS = 5;
const RELOAD_SECONDS = 0.5;

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));

let session = null;
let feed = null;
let room = "tasks";
let visits = 0; // counts how often a room was entered: what was asked for before that is out of date
let members = new Map(); // user id -> member
let membersTimer = 0;
let enterTimer = 0;
const tasks = new Map(); // task id -> task
const told = new Map(); // task id -> the task as the feed last told of it; one's own changes are shown before that
const rows = new Map(); // task id -> its element
const names = new Map(); // user id -> name, of everybody seen so far

// Small things

function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

function toast(message, kind = "error") {
  const close = element("button", { className: "quiet", textContent: "×", ariaLabel: text("close") });
  const shown = element("div", { className: `toast ${kind}` }, element("span", { textContent: message }), close);
  close.onclick = () => shown.remove();
  setTimeout(() => shown.remove(), TOAST_SECONDS * 1000);
  page.toasts.append(shown);
}

/** Show why something failed. What is not a failure of the server or of the way to it is a defect, and thrown on. */
function fail(error) {
  if (error instanceof Unreachable) toast(text("unreachable"));
  else if (!(error instanceof APIError)) throw error;
  // When the session is over, that has been said.
  else if (error.status !== 401) toast([error.message, ...Object.values(error.fields).flat()].join(" "));
}

/** Do something that may fail, with its button or field locked until it is done. */
async function attempt(control, action) {
  control.disabled = true;
  try {
    await action();
  } catch (error) {
    fail(error);
  } finally {
    control.disabled = false;
  }
}

const titleOf = (task) => (language === "nb" && task.title_nb) || task.title;

// Signing in and out

page["sign-in"].onsubmit = async (submitted) => {
  submitted.preventDefault();
  const button = submitted.submitter ?? page["sign-in"].querySelector("button");
  for (const field of ["name", "password"]) showFieldError(field, "");
  button.disabled = true;
  try {
    session = await Session.signIn(page.name.value, page.password.value);
  } catch (error) {
    showFieldError("name", error.fields?.email?.join(" ") ?? "");
    showFieldError("password", error.fields?.password?.join(" ") ?? "");
    if (error.status === 401) toast(error.message);
    else fail(error);
    return;
  } finally {
    button.disabled = false;
  }
  page.password.value = "";
  session.onEnd = (reason) => {
    leave();
    toast(reason);
  };
  names.set(session.user.id, session.user.display_name || session.user.username);
  page.user.textContent = names.get(session.user.id);
  show(true);
  await enter("tasks");
};

page["sign-out"].onclick = async () => {
  const ended = session;
  leave();
  await ended.signOut().catch(fail);
};

function showFieldError(field, message) {
  page[field].ariaInvalid = String(Boolean(message));
  page[`${field}-error`].textContent = message;
}

function leave() {
  visits++;
  feed?.close();
  clearInterval(membersTimer);
  session = feed = null;
  names.clear();
  clear();
  show(false);
}

function show(isSignedIn) {
  page.welcome.hidden = isSignedIn;
  for (const id of ["room", "account", "state"]) page[id].hidden = !isSignedIn;
  (isSignedIn ? page.title : page.name).focus();
}

function clear() {
  tasks.clear();
  told.clear();
  rows.clear();
  members = new Map();
  for (const id of ["tasks", "members", "feed", "toasts"]) page[id].replaceChildren();
  page.quiet.hidden = false;
}

// Rooms

page.rooms.onchange = () => enter(page.rooms.value);

/** Go into a room, or begin anew in the same one: load what is there, then follow it. */
async function enter(name) {
  const visit = ++visits;
  feed?.close();
  clearInterval(membersTimer);
  if (room !== name) clear();
  room = name;
  onState("connecting");
  try {
    const { list, cursor } = await loadTasks();
    if (visit === visits) await loadProjects();
    // Somebody may have gone on to another room, or out, in the meantime.
    if (visit !== visits) return;
    showTasks(list);
    // One's own room brings notifications.
    feed = new Feed(session, [room, `user_${session.user.id}`], cursor, { onEvent, onState, onRefused });
    membersTimer = setInterval(() => isLive() && loadMembers().catch(fail), MEMBERS_SECONDS * 1000);
  } catch (error) {
    if (visit !== visits) return;
    onState("waiting");
    if (error instanceof Unreachable || error.status >= 500) {
      setTimeout(() => visit === visits && enter(name), RETRY_SECONDS * 1000);
    }
    fail(error);
  }
}

/** Load the tasks of the room; `cursor` is the id of the last event that is certain to be in the list. */
async function loadTasks() {
  const query = new URLSearchParams({ page_size: MOST_TASKS, ordering: "-created_at" });
  if (room !== "tasks") query.set("project", projectOf(room));
  const { data, headers } = await session.get(`/api/tasks/?${query}`);
  return { list: data, cursor: Number(headers.get("X-Event-Cursor")) };
}

function showTasks(list) {
  tasks.clear();
  rows.clear();
  page.tasks.replaceChildren();
  told.clear();
  for (const task of list.results.reverse()) {
    apply(task);
    told.set(task.id, task);
  }
  page.more.hidden = list.count <= MOST_TASKS;
  page.more.textContent = text("more", { shown: MOST_TASKS, count: list.count });
  showWhetherEmpty();
}

async function loadProjects() {
  const { data } = await session.get("/api/tasks/projects/?page_size=100&ordering=name");
  if (!session) return;
  const choices = data.results.map((project) => new Option(projectName(project), `project_${project.id}`));
  page.rooms.replaceChildren(new Option(text("allTasks"), "tasks"), ...choices);
  page.rooms.value = room;
}

async function loadMembers() {
  const { data } = await session.get(`/api/realtime/presence/?room=${room}`);
  if (!session || data.room !== room) return;
  members = new Map(data.members.map((member) => [member.user_id, member]));
  for (const member of data.members) names.set(member.user_id, member.display_name || member.username);
  showMembers(data.count);
  // Coming in takes a moment. When one's own name is there, nobody who came before can be missing.
  if (isLive() && !members.has(session.user.id) && data.count === members.size) {
    setTimeout(() => session && loadMembers().catch(fail), ARRIVAL_SECONDS * 1000);
  }
}

const projectOf = (name) => Number(name.replace("project_", ""));
const projectName = (project) => (language === "nb" && project.name_nb) || project.name;

// What the feed tells

const isLive = () => page.state.dataset.state === "live";

function onState(state) {
  page.state.textContent = text(state);
  page.state.dataset.state = state;
}

/** The server does not let us follow the room; find out why, and go where we may be. */
async function onRefused() {
  try {
    await loadMembers();
  } catch (error) {
    fail(error);
    if (error.status === 404) await enter("tasks");
  }
}

function onEvent(name, payload) {
  if (name in HANDLERS) HANDLERS[name](payload);
  if (name.startsWith("project_")) loadProjects().catch(fail);
}

const HANDLERS = {
  ready: () => loadMembers().catch(fail),
  resync_required: resync,
  closing: ({ reason, message }) => (reason === "session_ended" ? session.end(message) : undefined),
  room_closed(payload) {
    toast(payload.message);
    enter("tasks");
  },
  notification: ({ message }) => toast(message, "notice"),
  user_joined(payload) {
    if (payload.room !== room) return;
    // The event says who; the list knows their names.
    loadMembers()
      .then(() => tell("user_joined", payload, payload.user_id))
      .catch(fail);
  },
  user_left(payload) {
    if (payload.room !== room || !members.delete(payload.user_id)) return;
    showMembers(members.size);
    tell("user_left", payload, payload.user_id);
  },
  task_created(payload) {
    apply(payload.task, { isNews: !tasks.has(payload.task.id) });
    told.set(payload.task.id, payload.task);
    tell("task_created", payload, payload.created_by, { title: titleOf(payload.task) });
  },
  task_updated(payload) {
    const [what, values] = describe(told.get(payload.task_id), payload.task);
    apply(payload.task, { isNews: payload.updated_by !== session.user.id });
    told.set(payload.task_id, payload.task);
    tell(what, payload, payload.updated_by, values);
  },
  task_deleted(payload) {
    const title = tasks.has(payload.task_id) ? titleOf(tasks.get(payload.task_id)) : `#${payload.task_id}`;
    remove(payload.task_id);
    told.delete(payload.task_id);
    tell(payload.reason === "deleted" ? "task_deleted" : "access_ended", payload, payload.deleted_by, { title });
  },
  tasks_bulk_updated(payload) {
    tell("tasks_bulk_updated", payload, payload.updated_by, { count: payload.task_ids.length });
    // Of a small batch each task was told before, and nothing is new.
    if (!payload.task_ids.every((id) => tasks.has(id) && holds(tasks.get(id), payload.updates))) enterSoon();
  },
  tasks_bulk_deleted(payload) {
    for (const id of payload.task_ids) {
      remove(id);
      told.delete(id);
    }
    const what = payload.reason === "deleted" ? "tasks_bulk_deleted" : "tasks_access_ended";
    tell(what, payload, payload.deleted_by, { count: payload.task_ids.length });
  },
  project_created: (payload) => tell("project_created", payload, payload.created_by, { title: projectName(payload.project) }),
  project_updated: (payload) => tell("project_updated", payload, payload.updated_by, { title: projectName(payload.project) }),
  project_deleted(payload) {
    tell("project_deleted", payload, payload.deleted_by);
    // Its tasks have no project any more, and no events of their own say so.
    enter(room);
  },
  project_member_added(payload) {
    tell("project_member_added", payload, payload.added_by);
    if (payload.user_id === session.user.id) enter(room);
  },
  project_member_removed(payload) {
    tell("project_member_removed", payload, payload.removed_by);
    if (payload.user_id === session.user.id) enter(room);
  },
};

/** Begin anew: the feed is closed before the list is read, so that nothing new is overwritten by what is older. */
function resync() {
  toast(text("reloaded"), "notice");
  enter(room);
}

/** Begin anew when nothing of the kind has come for a moment: large changes come in many parts. */
function enterSoon() {
  const visit = visits;
  clearTimeout(enterTimer);
  enterTimer = setTimeout(() => visit === visits && enter(room), RELOAD_SECONDS * 1000);
}

/** True when the task has all these values; of what a task has not, such as `category_add`, nothing is known. */
function holds(task, updates) {
  return Object.entries(updates).every(([name, value]) => JSON.stringify(task[name]) === JSON.stringify(value));
}

// Tasks

/** Show a task as it is in `task`, unless what is shown is newer. */
function apply(task, { isNews = false } = {}) {
  if (tasks.get(task.id)?.version > task.version) return;
  if (room !== "tasks" && task.project !== projectOf(room)) {
    remove(task.id);
    return;
  }
  tasks.set(task.id, task);
  if (!rows.has(task.id)) {
    rows.set(task.id, rowOf(task.id));
    page.tasks.prepend(rows.get(task.id));
  }
  const row = rows.get(task.id);
  const [box, title] = row.querySelectorAll("input");
  row.classList.toggle("completed", task.completed);
  box.checked = task.completed;
  box.ariaLabel = text("done", { title: titleOf(task) });
  title.ariaLabel = text("titleOf", { title: titleOf(task) });
  // Not under the fingers of somebody who is writing.
  if (document.activeElement !== title) title.value = task.title;
  if (isNews) flash(row);
  showWhetherEmpty();
}

function rowOf(id) {
  const box = element("input", { type: "checkbox" });
  const title = element("input", { className: "title", maxLength: 200, autocomplete: "off" });
  // What somebody begins to change is the version that they see.
  let seen;
  title.onfocus = () => (seen = tasks.get(id).version);
  // Unless what was written is on its way.
  title.onblur = () => title.disabled || (title.value = tasks.get(id).title);
  title.onkeydown = (pressed) => {
    if (pressed.key === "Escape") title.value = tasks.get(id).title;
    if (pressed.key === "Enter" || pressed.key === "Escape") title.blur();
  };
  title.onchange = () => change(title, id, { title: title.value }, seen);
  box.onchange = () => change(box, id, { status: box.checked ? "completed" : "todo" }, tasks.get(id).version);
  return element("li", {}, box, title);
}

/** Change a task, if it is still of the version that was seen. */
async function change(control, id, values, version) {
  if (values.title === tasks.get(id).title) return;
  control.disabled = true;
  try {
    const headers = { "If-Match": `W/"${version}-"` };
    apply((await session.request("PATCH", `/api/tasks/${id}/`, { body: values, headers })).data);
  } catch (error) {
    if (error.status === 412) {
      apply((await session.get(`/api/tasks/${id}/`)).data);
      toast(text("changedMeanwhile", { title: titleOf(tasks.get(id)) }));
    } else {
      fail(error);
    }
  } finally {
    control.disabled = false;
    // As it is now, whether that is what was wanted or not.
    if (tasks.has(id)) apply(tasks.get(id));
  }
}

page.create.onsubmit = (submitted) => {
  submitted.preventDefault();
  attempt(page.title, async () => {
    const body = { title: page.title.value, project: room === "tasks" ? null : projectOf(room) };
    apply((await session.request("POST", "/api/tasks/", { body })).data);
    page.title.value = "";
  }).then(() => page.title.focus());
};

function remove(id) {
  tasks.delete(id);
  rows.get(id)?.remove();
  rows.delete(id);
  showWhetherEmpty();
}

function showWhetherEmpty() {
  page.none.hidden = tasks.size > 0;
}

function flash(row) {
  row.classList.remove("news");
  // Read, so that the animation begins anew.
  void row.offsetWidth;
  row.classList.add("news");
}

// Members and feed

function showMembers(count) {
  const shown = [...members.values()].map((member) => {
    const name = names.get(member.user_id);
    const label = member.user_id === session.user.id ? text("you", { name }) : name;
    const face = element("span", { className: "face", textContent: initials(name), ariaHidden: "true" });
    face.style.setProperty("--hue", (member.user_id * 137) % 360);
    return element("li", {}, face, element("span", { textContent: label }));
  });
  if (count > shown.length) shown.push(element("li", { textContent: text("others", { count: count - shown.length }) }));
  page.members.replaceChildren(...shown);
  page.count.textContent = count;
}

const initials = (name) => name.split(/\s+/).map((word) => [...word][0]).slice(0, 2).join("").toUpperCase();

/** Return the name of what happened to a task, and what its sentence needs. */
function describe(before, task) {
  const values = { title: titleOf(task), before: before && titleOf(before) };
  if (!before) return ["task_updated", values];
  if (task.completed && !before.completed) return ["task_completed", values];
  if (!task.completed && before.completed) return ["task_reopened", values];
  return [values.before === values.title ? "task_updated" : "task_renamed", values];
}

function tell(what, payload, userId, values = {}) {
  const who = userId === session.user.id ? text("youDid") : (names.get(userId) ?? text("somebody"));
  const when = new Date(payload.occurred_at);
  const time = element("time", {
    dateTime: payload.occurred_at,
    textContent: when.toLocaleTimeString(language === "nb" ? "nb-NO" : "en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  });
  page.feed.prepend(element("li", {}, time, element("span", { textContent: text(what, { ...values, who }) })));
  while (page.feed.children.length > MOST_FEED_LINES) page.feed.lastChild.remove();
  page.quiet.hidden = true;
}

fillPage();
page.name.focus();
