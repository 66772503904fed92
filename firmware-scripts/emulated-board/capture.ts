/** What the domains of a board say of themselves, as files below captures/: what parsers are tested with, and people look up. */
import fs from 'node:fs';
import path from 'node:path';
import type { Board } from './board.ts';
import type { Guest } from './guests.ts';

const FILES = [
  ...['cmdline', 'cpuinfo', 'meminfo', 'vmstat', 'zoneinfo', 'filesystems', 'version'].map((name) => `/proc/${name}`),
  ...['memory', 'cpu', 'io'].map((name) => `/proc/pressure/${name}`),
  '/proc/xen/capabilities',
  '/proc/device-tree/model',
  ...['type', 'version/major', 'version/minor', 'version/extra', 'properties/features'].map(
    (name) => `/sys/hypervisor/${name}`,
  ),
  ...['target_kb', 'info/current_kb', 'info/low_kb', 'scrub_pages', 'max_retry_count'].map(
    (name) => `/sys/devices/system/xen_memory/xen_memory0/${name}`,
  ),
  '/sys/class/gpio/gpiochip512/label',
  '/sys/class/gpio/gpiochip512/base',
  '/sys/class/gpio/gpiochip512/ngpio',
  '/sys/module/xen_gntalloc/parameters/limit',
  '/sys/module/xen_gntdev/parameters/limit',
];
const COMMANDS = {
  'xl-info.txt': 'xl info',
  'xl-list.txt': 'xl list -v',
  'xl-sched-credit2.txt': 'xl sched-credit2',
  'xenstore-ls.txt': 'xenstore-ls -p /local/domain',
};
const MARK = '@@@ ';
const SECONDS = 120;

/** @param folder `boards/<vendor>/<board>/captures`. */
export async function capture(board: Board, guests: readonly Guest[], folder: string): Promise<void> {
  const script = `for file in ${FILES.join(' ')}; do
    if [ -r $file ]; then echo '${MARK}'$file; tr -d '\\0' <$file; echo; fi
  done`;
  write(path.join(folder, 'dom0'), await board.dom0.must(script, { deadlineSeconds: SECONDS }));
  for (const [name, command] of Object.entries(COMMANDS)) {
    const text = await board.dom0.must(command, { deadlineSeconds: SECONDS });
    fs.writeFileSync(path.join(folder, 'dom0', name), text);
  }
  for (const guest of guests) write(path.join(folder, guest.name), await board.in(guest, script));
}

function write(folder: string, text: string): void {
  for (const part of text.split(`\n${MARK}`)) {
    const [name = '', ...lines] = part.replace(MARK, '').split('\n');
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `${lines.join('\n').trimEnd()}\n`);
  }
}
