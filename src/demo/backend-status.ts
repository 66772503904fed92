import { z } from 'zod';
import { AgentSocket } from '../client/agent-socket.ts';
import { MemtideError } from '../errors.ts';

/**
 * What the agents answer to `{"op":"status"}` on their sockets. Fields that are not known are passed on as they are, so
 * that `--json` shows all there is.
 */
const count = () => z.number().min(0);

/** Scheduler constructs of a fast plane, as found in force. */
const fastPlane = z.array(
  z.looseObject({
    construct: z.string(),
    wanted: z.string(),
    in_force: z.string(),
    refused: z.string().optional(),
    mend: z.string().optional(),
  }),
);

/** What waits on disk to be delivered. */
const spool = z.looseObject({
  unsent: count(),
  unconfirmed: count(),
  bytes: count(),
  cap_bytes: count(),
  dropped: count(),
  gaps: count(),
  refused: count(),
  problem: z.string().optional(),
});
export type SpoolFigures = z.output<typeof spool>;

const uplink = z.looseObject({
  state: z.string(),
  reason: z.string().optional(),
  /** Messages given up, by kind. */
  dropped: z.record(z.string(), count()).optional(),
});

/** Whole guests of Xen, as Xen counts them. */
const xen = z.looseObject({
  free_bytes: count(),
  pool_bytes: count(),
  guests: z.array(
    z.looseObject({ name: z.string(), held_bytes: count(), entitlement_bytes: count(), stuck: z.boolean().optional() }),
  ),
});

/** Memory of dom0 in guests of Xen, over grants. */
const lent = z.looseObject({
  arena_bytes: count(),
  owed_bytes: count(),
  stuck_bytes: count(),
  guests: z.array(z.looseObject({ name: z.string(), granted_bytes: count(), leased_bytes: count() })),
});

const backendStatus = z.looseObject({
  mode: z.string(),
  total_bytes: count(),
  pool_bytes: count(),
  arena: z.looseObject({
    byteLength: count(),
    huge: z.boolean(),
    hugeReason: z.string().optional(),
    locked: z.boolean(),
    lockReason: z.string().optional(),
  }),
  broker_url: z.string().optional(),
  uplink: uplink.optional(),
  spool: spool.optional(),
  domains: z.array(
    z.looseObject({
      name: z.string(),
      connected: z.boolean(),
      /** Its agent is elsewhere, and takes part over MQTT. */
      remote: z.boolean().optional(),
      limit_bytes: count().optional(),
      reserve_bytes: count(),
      offered_bytes: count(),
      leased_bytes: count(),
      rounding_bytes: count().optional(),
      split_free_bytes: count().optional(),
      stuck: z.boolean().optional(),
    }),
  ),
  xen: xen.optional(),
  lent: lent.optional(),
  fast_plane: fastPlane.optional(),
  figures: z.record(z.string(), z.number()),
});
export type BackendStatus = z.output<typeof backendStatus>;

const domainStatus = z.looseObject({
  domain: z.string(),
  limit_bytes: count().optional(),
  used_bytes: count().optional(),
  programs: count().optional(),
  enforced_by: z.string().optional(),
  sessions: count().optional(),
  psi: z.string().optional(),
  psi_reason: z.string().optional(),
  reserve_target_bytes: count().optional(),
  fast_plane: fastPlane.optional(),
  /** What goes on at the agent's socket (coordination/session-server.ts, SocketFigures). */
  socket: z.record(z.string(), count()).optional(),
  telemetry: z.looseObject({ uplink: uplink.optional(), spool: spool.optional() }).optional(),
  /** Of an agent that takes part over MQTT. */
  backend_is_there: z.boolean().optional(),
  leases: z.looseObject({}).optional(),
});
export type DomainStatus = z.output<typeof domainStatus>;

/** @throws MemtideError when nobody answers there, or not as expected. */
export const askBackend = (socketPath: string): Promise<BackendStatus> => ask(socketPath, backendStatus);
/** @throws MemtideError, as `askBackend`. */
export const askDomain = (socketPath: string): Promise<DomainStatus> => ask(socketPath, domainStatus);

async function ask<Schema extends z.ZodType>(socketPath: string, schema: Schema): Promise<z.output<Schema>> {
  const socket = await AgentSocket.open(socketPath);
  try {
    const reply = await socket.call({ op: 'status' });
    const status = reply.ok && 'status' in reply ? schema.safeParse(reply.status) : undefined;
    if (status?.success) return status.data;
    throw new MemtideError({
      operation: 'ask an agent for its status',
      object: socketPath,
      actual: reply.ok ? (status?.error?.issues[0]?.message ?? 'an answer to another question') : reply.error,
      remedy: 'use the memtide of the same version on both sides',
    });
  } finally {
    await socket.close();
  }
}
