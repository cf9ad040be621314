// Speaks with the Python process that started this one: commands come as lines of JSON on standard input, answers and
// what happens leave as lines of JSON on standard output.

import { createInterface } from "node:readline";

/** Tells something that was not asked for. */
export function tell(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

/**
 * Answers each command {id, do, ...} with {id, result} or {id, error: {name, message}}, in whatever order they are done.
 *
 * `commands` has an (asynchronous) function for each `do`. The process ends when its input does, so that it never
 * outlives the one that started it; `atEnd` runs before.
 */
export function answerCommands(commands, atEnd = () => {}) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, do: name, ...values } = JSON.parse(line);
    try {
      if (!Object.hasOwn(commands, name)) throw new Error(`There is no command ${name}.`);
      tell({ id, result: (await commands[name](values)) ?? null });
    } catch (error) {
      tell({ id, error: { name: error.name, message: error.message } });
    }
  });
  lines.on("close", async () => {
    await atEnd();
    process.exit(0);
  });
}
