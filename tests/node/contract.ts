// What the front end requires, and the proof that the generated types are it.
//
// The interfaces are those of the requirements. `x?: T` reads `x: T | null`, because optional fields are present with
// null; only inside `error` and `filters_applied` is left out what does not apply. `any` is kept.

import type { components, paths } from "./api";

type Status = "todo" | "in_progress" | "completed";
type Priority = "low" | "medium" | "high";

export interface APIError {
  error: {
    code: string;
    message: string;
    details?: any;
    field_errors?: {
      [field: string]: string[];
    };
  };
  timestamp: string;
  request_id: string;
}

interface PaginatedResponse<T> {
  count: number;
  next: string | null;
  previous: string | null;
  results: T[];
}

interface PageInfo {
  current_page: number;
  total_pages: number;
  page_size: number;
  has_next: boolean;
  has_previous: boolean;
}

interface TasksFilterResponse {
  count: number;
  next: string | null;
  previous: string | null;
  results: Task[];
  filters_applied: {
    categories?: string[];
    projects?: string[];
    status?: string[];
    priority?: string[];
    date_range?: { start: string; end: string };
    search?: string;
  };
}

interface TaskImage {
  id: number;
  image: string;
  thumbnail_url: string;
  upload_date: string;
  file_size: number;
  file_name: string;
  caption: string;
}

export interface Task {
  id: number;
  title: string;
  title_nb: string;
  description: string;
  description_nb: string;
  notes: string;
  status: Status;
  status_nb: "å gjøre" | "pågående" | "fullført";
  priority: Priority;
  due_date: string | null;
  estimated_time: number | null;
  completed: boolean;
  completed_at: string | null;
  user_id: number;
  assignee_id: number | null;
  category: number[];
  project: number | null;
  images: TaskImage[];
  created_at: string;
  updated_at: string;
}

interface Project {
  id: number;
  name: string;
  name_nb: string;
  description: string;
  description_nb: string;
  user_id: number;
  status: Status;
  status_nb: "å gjøre" | "pågående" | "fullført";
  completed: boolean;
  completed_at: string | null;
  tasks: number[];
  images: TaskImage[];
  created_at: string;
  updated_at: string;
}

interface ProjectStatistics {
  total_tasks: number;
  completed_tasks: number;
  in_progress_tasks: number;
  todo_tasks: number;
  completion_percentage: number;
}

interface Category {
  id: number;
  name: string;
  name_nb: string | null;
  slug: string;
  description: string;
  color: string | null;
  task_count: number | null;
  created_at: string;
  updated_at: string;
}

interface User {
  id: number;
  email: string;
  username: string;
  display_name: string;
  first_name: string;
  last_name: string;
  date_of_birth: string | null;
  address: string;
  city: string;
  country: string;
  website: string;
  phone: string;
  profile_picture: string | null;
  theme: "light" | "dark" | "purple" | "pink" | "system";
  language: "en" | "no";
  role: "user" | "staff" | "admin";
  is_active: boolean;
  is_staff: boolean;
  is_superuser: boolean;
  date_joined: string;
  last_login: string | null;
  last_seen: string | null;
}

interface TokenPair {
  access: string;
  refresh: string;
}

type Schemas = components["schemas"];

type IsAny<T> = 0 extends 1 & T ? true : false;
type Assignable<From, To> = [From] extends [To] ? true : false;

// Required and generated are assignable in both directions. The server may send more fields than are required.
type Same<Required, Generated> =
  IsAny<Generated> extends true
    ? false
    : Generated extends { [Field in keyof Required]: unknown }
      ? Assignable<Pick<Generated, keyof Required>, Required> extends true
        ? Assignable<Required, Pick<Generated, keyof Required>>
        : false
      : false;

// An error in one of these lines says that the document has moved away from the requirements.
type Check<Proven extends true> = Proven;
export type Checks = [
  Check<Same<APIError, Schemas["APIError"]>>,
  Check<Same<APIError["error"], Schemas["APIError"]["error"]>>,
  Check<Same<Task, Schemas["Task"]>>,
  Check<Same<TaskImage, Schemas["TaskImage"]>>,
  Check<Same<TaskImage, Schemas["ProjectImage"]>>,
  Check<Same<Project, Schemas["Project"]>>,
  Check<Same<ProjectStatistics, Schemas["ProjectStatistics"]>>,
  Check<Same<Category, Schemas["Category"]>>,
  Check<Same<User, Schemas["User"]>>,
  Check<Same<TokenPair, Schemas["TokenPair"]>>,
  Check<Same<PageInfo, Schemas["PageInfo"]>>,
];

// The list of tasks: its items and its filters are compared field by field, the rest as a whole.
type TaskList = paths["/api/tasks/"]["get"]["responses"][200]["content"]["application/json"];
export type TaskListChecks = [
  Check<Assignable<TaskList, TasksFilterResponse>>,
  Check<Same<PaginatedResponse<Schemas["Task"]>, TaskList>>,
  Check<Same<TasksFilterResponse["filters_applied"], TaskList["filters_applied"]>>,
];

// Every list is a PaginatedResponse and says where its page lies.
type Pages = { [Name in keyof Schemas as Name extends `${string}Page` ? Name : never]: Schemas[Name] };
type IsPage<Page> = Page extends { results: (infer Item)[]; page_info: PageInfo } ? Same<PaginatedResponse<Item>, Page> : false;
export type PageChecks = { [Name in keyof Pages]: Check<IsPage<Pages[Name]>> };

// Every operation answers its failures with the error, and every list of the API is a page.
type Operations = { [Path in keyof paths]: paths[Path][keyof paths[Path] & ("get" | "post" | "put" | "patch" | "delete")] };
type Operation = Exclude<Operations[keyof paths], undefined>;
type ErrorOf<Each> = Each extends { responses: { default: { content: { "application/json": infer Body } } } } ? Body : "none";
type NotPage<Each> = Each extends { responses: { 200: { content: { "application/json": infer Body } } } }
  ? Body extends { results: unknown }
    ? Extract<Pages[keyof Pages], Body> extends never
      ? Body
      : never
    : Body extends unknown[]
      ? Body
      : never
  : never;
export type OperationChecks = [Check<Same<APIError, ErrorOf<Operation>>>, Check<Assignable<NotPage<Operation>, never>>];

// What the published front end sends.
export const newTask: Schemas["TaskCreate"] = { title: "Cable", description: "", status: "todo", priority: "low" };
export const completedTask: Schemas["TaskUpdate"] = { status: "completed", completed: true };
export const newProject: Schemas["ProjectCreate"] = { name: "Cabin" };
export const newCategory: Schemas["CategoryCreate"] = { name: "Shopping", slug: "" };
export const credentials: Schemas["SignIn"] = { email: "kari@example.com", password: "gule-gummistøvler-39" };
export const theme: Schemas["UserUpdate"] = { theme: "dark" };
export const noPicture: Schemas["UserUpdate"] = { profile_picture: null };
export const filters: paths["/api/tasks/"]["get"]["parameters"]["query"] = {
  category: ["web"],
  project: ["nxfs"],
  status: ["in_progress"],
  priority: ["high"],
  due_date_start: "2025-01-01",
  due_date_end: "2025-12-31",
  search: "bug",
};
