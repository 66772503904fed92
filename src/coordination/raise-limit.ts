/** The value in limits.conf(5), and the same in a systemd unit. */
const RAISED = {
  memlock: ['unlimited', 'LimitMEMLOCK=infinity'],
  nice: ['-20', 'LimitNICE=-20'],
  rtprio: ['99', 'LimitRTPRIO=99'],
} as const;

/** How to raise a limit for whoever runs memtide. */
export function raiseLimit(item: keyof typeof RAISED): string {
  const [value, unit] = RAISED[item];
  return `add "* - ${item} ${value}" to /etc/security/limits.d/memtide.conf and log in again (systemd: ${unit})`;
}
