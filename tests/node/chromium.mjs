// Where Chromium is. The package brings it compressed, with the libraries that a bare machine lacks; it is unpacked once,
// beside the package, so that nothing outside of node_modules is left behind.

import { access, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULES = fileURLToPath(new URL("node_modules", import.meta.url));
const PLACE = join(MODULES, ".chromium");
// The package's own file names places of another machine.
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">.</dir><cachedir>${join(PLACE, "fonts", "cache")}</cachedir></fontconfig>
`;

/** Returns {program, environment}: the path of the browser, and what has to be added to its environment. */
export async function chromium() {
  if (!(await exists(PLACE))) await unpack();
  return {
    program: join(PLACE, "chromium"),
    environment: { LD_LIBRARY_PATH: join(PLACE, "al2023", "lib"), FONTCONFIG_PATH: join(PLACE, "fonts") },
  };
}

/** Unpacks into a directory that gets its name when it is complete: another process may be doing the same. */
async function unpack() {
  const directory = await mkdtemp(join(MODULES, ".chromium-"));
  const temporary = process.env.TMPDIR;
  // The package unpacks into the directory for temporary files.
  process.env.TMPDIR = directory;
  try {
    const { default: Chromium, inflate } = await import("@sparticuz/chromium");
    await Chromium.executablePath();
    await inflate(join(MODULES, "@sparticuz/chromium/bin/al2023.tar.br"));
    await writeFile(join(directory, "fonts", "fonts.conf"), FONTS);
    await rename(directory, PLACE);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    if (!(await exists(PLACE))) throw error;
  } finally {
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
  }
}

async function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}
