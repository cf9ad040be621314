// What the front end requires of sockets, and the proof that the types of `flask realtime types` are it.
//
// The shapes are those of the requirements. The server may send more fields than are required, and take more.

import type { Socket } from "socket.io-client";

import type { components } from "./api";
import type { APIError, Task } from "./contract";
import type { Acknowledgement, ClientToServerEvents, ServerToClientEvents, StreamEvents } from "./realtime";

interface RequiredFromServer {
  task_updated: { task_id: number; task: Task; updated_by: number };
  task_created: { task: Task; created_by: number };
  task_deleted: { task_id: number; deleted_by: number };
  user_joined: { user_id: number; room: string };
  user_left: { user_id: number; room: string };
  notification: { type: string; message: string; data?: any };
}

interface RequiredFromClient {
  join_room: { room: string };
  leave_room: { room: string };
  task_update: { task_id: number; updates: Partial<Task> };
}

type IsAny<T> = 0 extends 1 & T ? true : false;
type Assignable<From, To> = [From] extends [To] ? true : false;
// Also that no field is `any`, which would be assignable to everything. What is required as `any` may be so.
type Serves<Sent, Required> =
  IsAny<Sent> extends true
    ? false
    : Sent extends { [Field in keyof Required]-?: unknown }
      ? true extends { [Field in keyof Required]-?: IsAny<Required[Field]> extends true ? false : IsAny<Sent[Field]> }[keyof Required]
        ? false
        : Assignable<Sent, Required>
      : false;

type Payloads = { [Name in keyof ServerToClientEvents]: Parameters<ServerToClientEvents[Name]>[0] };
type Messages = { [Name in keyof ClientToServerEvents]: Parameters<ClientToServerEvents[Name]>[0] };
type Failures = {
  [Name in keyof ClientToServerEvents]: Extract<Parameters<Parameters<ClientToServerEvents[Name]>[1]>[0], { ok: false }>["error"];
};
// What may be left out of a message need not be sent.
type Takes<Taken, Sent> = IsAny<Taken> extends true ? false : Assignable<Sent, Taken>;
type Untaken<Sent, Taken> = {
  [Name in keyof Sent]: Name extends keyof Taken ? (Takes<Taken[Name], Sent[Name]> extends true ? never : Name) : Name;
}[keyof Sent];
// The names of what is required and not served; what is not there at all is not served either.
type Unserved<Sent, Required> = {
  [Name in keyof Required]: Name extends keyof Sent ? (Serves<Sent[Name], Required[Name]> extends true ? never : Name) : Name;
}[keyof Required];

// An error in one of these lines says that the events have moved away from the requirements.
type None<Names extends never> = Names;
export type Checks = [
  None<Unserved<Payloads, RequiredFromServer>>,
  None<Unserved<StreamEvents, RequiredFromServer>>,
  None<Untaken<RequiredFromClient, Messages>>,
  None<Unserved<Failures, { [Name in keyof ClientToServerEvents]: APIError }>>,
];

// How a page uses them: everything is known by its type, from the name of an event to the sentence of an error.
export async function use(socket: Socket<ServerToClientEvents, ClientToServerEvents>): Promise<string> {
  socket.on("task_updated", ({ event_id, task, updated_by }) => {
    const title: string = task.title;
    const numbers: number[] = [event_id, updated_by];
    return [title, numbers];
  });
  socket.on("presence_diff", ({ joins }) => joins.map((member) => member.display_name.length));
  socket.on("closing", ({ reason }) => reason === "server_draining");
  socket.emit("leave_room", { room: "tasks" }, (answer) => answer.ok);
  const joined = await socket.emitWithAck("join_room", { room: "project_3", since: 9120, presence: true });
  if (!joined.ok) return joined.error.error.message;
  const saved: Acknowledgement<components["schemas"]["TaskUpdateAnswer"]> = await socket
    .timeout(5000)
    .emitWithAck("task_update", { task_id: 412, updates: { status: "completed" }, if_match: 3 });
  return saved.ok ? saved.task.title : `${joined.member_count} ${saved.error.request_id}`;
}

export function misuse(socket: Socket<ServerToClientEvents, ClientToServerEvents>): void {
  // @ts-expect-error There is no such event.
  socket.on("task_renamed", () => undefined);
  // @ts-expect-error The name of a room is text.
  socket.emit("join_room", { room: 3 }, () => undefined);
  // @ts-expect-error What went wrong is not there when all went well.
  socket.emit("leave_room", { room: "tasks" }, (answer) => answer.ok && answer.error);
}
