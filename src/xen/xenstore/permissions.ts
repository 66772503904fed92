/**
 * Permissions of a node, as GET_PERMS and SET_PERMS carry them (docs/misc/xenstore.txt). The first entry names the owner,
 * who may do everything, and what a domain may do that no entry names; the others say what the domains they name may do.
 * Dom0 may do everything everywhere. A new node inherits its parent's; an unprivileged domain owns what it creates.
 */
export interface Permission {
  readonly domid: number;
  readonly access: Access;
}
export type Access = 'none' | 'read' | 'write' | 'both';

const LETTERS: Readonly<Record<Access, string>> = { none: 'n', read: 'r', write: 'w', both: 'b' };
const ACCESS = new Map(Object.entries(LETTERS).map(([access, letter]) => [letter, access as Access]));
export const DOMID_MAX = 65_535;

export const formatPermission = ({ domid, access }: Permission): string => `${LETTERS[access]}${domid}`;

/** `undefined` for what is no permission. */
export function parsePermission(text: string): Permission | undefined {
  const match = /^([nrwb])(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const domid = Number(match[2]);
  return domid > DOMID_MAX ? undefined : { domid, access: ACCESS.get(match[1]!)! };
}
