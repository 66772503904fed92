/** Rules that hold between keys. Pure: the schema turns what they find into issues, with the path of the key to change. */
import { MAX_ARENA_MIB } from './bounds.ts';
import type { Config } from './schema.ts';
import { leastMib, privateFloorMib } from './total.ts';

export interface Violation {
  readonly path: ReadonlyArray<string | number>;
  /** What was found, then the accepted form. */
  readonly message: string;
}

const violation = (path: Violation['path'], found: string, accepted: string): Violation => ({
  path,
  message: `found ${found}; accepted: ${accepted}`,
});

/** All rules that `config` breaks, in the order of the file. */
export function crossChecks(config: Config): Violation[] {
  return [
    ...domainRules(config),
    ...memoryRules(config),
    ...pressureRules(config),
    ...policyRules(config),
    ...xenRules(config),
    ...mqttRules(config),
  ];
}

function* domainRules({ domains }: Config): Generator<Violation> {
  const seen = new Map<string, number>();
  for (const [index, { name, floor_mib, ceiling_mib, budget_mib, reserve_mib }] of domains.entries()) {
    const at = (key: string) => ['domains', index, key];
    const first = seen.get(name);
    if (first !== undefined) {
      yield violation(at('name'), `"${name}", which is also the name of domains[${first}]`, 'a name of its own');
    }
    seen.set(name, first ?? index);
    if (ceiling_mib < floor_mib) {
      yield violation(at('floor_mib'), `${floor_mib}, above ceiling_mib ${ceiling_mib}`, `at most ${ceiling_mib}`);
    } else if (budget_mib > ceiling_mib) {
      yield violation(at('budget_mib'), `${budget_mib}`, `at most ceiling_mib, ${ceiling_mib}`);
    } else if (reserve_mib !== undefined && budget_mib + reserve_mib > ceiling_mib) {
      const most = ceiling_mib - budget_mib;
      yield violation(at('reserve_mib'), `${reserve_mib}`, `at most ${most}, which is ceiling_mib less budget_mib`);
    }
  }
}

function* memoryRules({ total_mib, domains, arena }: Config): Generator<Violation> {
  const chunk_mib = arena.chunk_kib / 1024;
  if (arena.pool_mib !== undefined && arena.pool_mib < chunk_mib) {
    yield violation(['arena', 'pool_mib'], `${arena.pool_mib}`, `at least one chunk, ${chunk_mib} MiB`);
  }
  if (total_mib === undefined) return;
  const needed = domains.reduce((sum, domain) => sum + leastMib(domain), arena.pool_mib ?? 0);
  const most = domains.reduce((sum, domain) => sum + privateFloorMib(domain), MAX_ARENA_MIB);
  if (needed > total_mib) {
    const each = 'budget_mib and reserve_mib of each domain, or its floor_mib where that is more';
    yield violation(['total_mib'], `${total_mib}`, `at least ${needed}: ${each}, and arena.pool_mib`);
  } else if (total_mib > most) {
    const why = `${MAX_ARENA_MIB} that can be lent, and what is always private`;
    yield violation(['total_mib'], `${total_mib}`, `at most ${most}: ${why}`);
  }
}

function* pressureRules({ pressure }: Config): Generator<Violation> {
  const { sample_hz, burst_sample_hz, psi, psi_stall_ms, psi_window_ms } = pressure;
  if (burst_sample_hz < sample_hz) {
    yield violation(['pressure', 'burst_sample_hz'], `${burst_sample_hz}`, `at least sample_hz, ${sample_hz}`);
  }
  if (psi !== 'off' && psi_stall_ms > psi_window_ms) {
    yield violation(['pressure', 'psi_stall_ms'], `${psi_stall_ms}`, `at most psi_window_ms, ${psi_window_ms}`);
  }
}

function* policyRules({ policy, arena }: Config): Generator<Violation> {
  const chunk_mib = arena.chunk_kib / 1024;
  if (policy.step_cap_mib < chunk_mib) {
    yield violation(['policy', 'step_cap_mib'], `${policy.step_cap_mib}`, `at least one chunk, ${chunk_mib} MiB`);
  }
  if (policy.token_burst_mib < policy.step_cap_mib) {
    const accepted = `at least step_cap_mib, ${policy.step_cap_mib}`;
    yield violation(['policy', 'token_burst_mib'], `${policy.token_burst_mib}`, accepted);
  }
  if (policy.stuck_backoff_max_s < policy.stuck_backoff_s) {
    const accepted = `at least stuck_backoff_s, ${policy.stuck_backoff_s}`;
    yield violation(['policy', 'stuck_backoff_max_s'], `${policy.stuck_backoff_max_s}`, accepted);
  }
}

function* xenRules({ domains, xen }: Config): Generator<Violation> {
  let floors = 0;
  for (const [index, { guest }] of domains.entries()) {
    if (guest === undefined) continue;
    floors += guest.floor_mib;
    if (guest.ceiling_mib < guest.floor_mib) {
      const found = `${guest.floor_mib}, above ceiling_mib ${guest.ceiling_mib}`;
      yield violation(['domains', index, 'guest', 'floor_mib'], found, `at most ${guest.ceiling_mib}`);
    }
  }
  if (xen.total_mib !== undefined && xen.total_mib < floors) {
    yield violation(['xen', 'total_mib'], `${xen.total_mib}`, `at least ${floors}, the floors of all guests`);
  }
}

function* mqttRules({ mqtt }: Config): Generator<Violation> {
  if (mqtt.protocol_version === 5 && mqtt.url === undefined) {
    yield violation(['mqtt', 'protocol_version'], '5 for the embedded broker', '4, or an external broker in mqtt.url');
  }
  if (mqtt.ca_file !== undefined && !mqtt.url?.startsWith('mqtts:')) {
    yield violation(
      ['mqtt', 'ca_file'],
      'a certificate authority for a connection without TLS',
      'mqtt.url with mqtts://',
    );
  }
  if (mqtt.password_file !== undefined && mqtt.username === undefined) {
    yield violation(['mqtt', 'password_file'], 'a password without a user', 'both username and password_file');
  }
}
