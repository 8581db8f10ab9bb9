/**
 * Where we are in each organization's log, and whether something is missing: an event's `since` is the id of
 * the one before it in the same room, so a `since` that is later than what we heard there is a gap.
 */
const heard = new Map(); // room -> id of its last event
const begun = new Map(); // organization -> position that this connection began at
const reached = new Map(); // organization -> last cursor, over all connections

function isAfter(one, other) {
  const [[epoch, number], [otherEpoch, otherNumber]] = [one.split(":"), other.split(":")];
  return epoch !== otherEpoch || Number(number) > Number(otherNumber);
}

export const lastCursor = (organization) => reached.get(organization);

/** A connection or a join asks from `cursor` on; without one, from whatever the answer will say. */
export function begin(organization, cursor) {
  for (const room of heard.keys()) if (room.startsWith(`${organization} `)) heard.delete(room);
  if (cursor) begun.set(organization, cursor);
  else begun.delete(organization);
}

/** The server says where a scope is. What lies between our last cursor and a beginning from now on: a gap. */
export function arrive(organization, cursor) {
  const before = reached.get(organization);
  const starts = !begun.has(organization);
  if (starts) begun.set(organization, cursor);
  if (!before || isAfter(cursor, before)) reached.set(organization, cursor);
  return starts && before && isAfter(cursor, before) ? { from: before, to: cursor } : null;
}

/** The server cannot go on from our position. */
export function startOver(organization, cursor) {
  const before = reached.get(organization);
  begin(organization, cursor);
  reached.set(organization, cursor);
  return before ? { from: before, to: cursor } : null;
}

/** One event of a room: {gap} when something before it is missing, {again} when we had it already. */
export function hear(organization, room, { id, since }) {
  const key = `${organization} ${room}`;
  const before = heard.get(key) ?? begun.get(organization);
  heard.set(key, id);
  begun.has(organization) || begun.set(organization, id);
  const last = reached.get(organization);
  if (!last || isAfter(id, last)) reached.set(organization, id);
  if (!before) return {};
  if (!isAfter(id, before)) return { again: true };
  return since && isAfter(since, before) ? { gap: { from: before, to: since } } : {};
}
