/** What a board says of itself when something on it has failed: by then nobody else can look. */
import type { Board } from './board.ts';
import type { Guest } from './guests.ts';
import type { Progress } from './progress.ts';

const SECONDS = 90;
const GUEST_SECONDS = 20;
const LINES = 15;

/** Who has run, twice, a few seconds apart: a CPU whose timer has stopped does not move between the two. */
const DOM0 = `
exec 2>&1
look() { date +%T.%N; xl vcpu-list; grep -E 'CPU|timer' /proc/interrupts; }
look; sleep 4; look
xl list
free -m
ps -eo pid,ppid,stat,wchan:24,etimes,rss,args | grep -v ' \\['
dmesg | tail -n ${LINES}`;

const GUEST = `uptime; free -m; grep timer /proc/interrupts; ps -eo pid,ppid,stat,wchan:24,rss,args | grep -v ' \\['`;

/** Says it, and never fails. */
export async function tellLastWords(board: Board, guests: readonly Guest[], progress: Progress): Promise<void> {
  const ask = async (who: string, asked: Promise<string>): Promise<void> => {
    const said = await asked.catch((error: Error) => error.message);
    progress.say(`\n── ${who}\n${said.trimEnd()}`);
  };
  progress.say('\nThe board as it was left:');
  await ask('dom0', board.dom0.must(DOM0, { deadlineSeconds: SECONDS }));
  for (const guest of guests) {
    await ask(`${guest.name}, by its own word`, board.in(guest, GUEST, { deadlineSeconds: GUEST_SECONDS }));
    progress.say(
      `── ${guest.name}, its console\n${board.log(`guest-${guest.name}`).trimEnd().split('\n').slice(-LINES).join('\n')}`,
    );
  }
}
